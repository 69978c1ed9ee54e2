# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.keyless: which times count, and that sigstore's library has its say.

Attacks are among the files of tests/trust/assets.
"""

import base64
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from kubeoci.digest import Digest
from kubeoci.trust import bundle, keyless, roots, statement
from kubeoci.trust.evidence import Reason, Rejected, Signer
from kubeoci.trust.matching import IdentityMatch
from kubeoci.trust.policy import KeylessPolicy
from simulator.sigstore import Sigstore
from simulator.sigstore_ca import GITHUB, WORKFLOW, Order

DIGEST = Digest("sha256:" + "ab" * 32)
STATEMENT = statement.build(DIGEST, name="reg.io/app")


@pytest.fixture
def sigstore() -> Sigstore:
    """All of it in memory."""
    return Sigstore()


def policy(sigstore: Sigstore) -> KeylessPolicy:
    """Signed by the workflow."""
    root = roots.read(json.dumps(sigstore.trusted_root()), source="test", is_users=True)
    return KeylessPolicy((IdentityMatch(issuer=GITHUB, subject=WORKFLOW),), root)


def judged(document: dict[str, Any], demanded: KeylessPolicy) -> Signer:
    """Who signed a bundle."""
    return keyless.judge_bundle(bundle.read(json.dumps(document).encode()), demanded)


def stamp_later(sigstore: Sigstore, document: dict[str, Any], seconds: int) -> None:
    """Add a time stamp of some seconds later."""
    signature = base64.b64decode(document["dsseEnvelope"]["signatures"][0]["sig"])
    sigstore.clock += timedelta(seconds=seconds)
    document["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"].append(sigstore.stamp(signature))


@pytest.mark.parametrize(("version", "stamps", "index"), [(1, 0, 100), (1, 1, 100), (2, 1, 0)])
def test_who_signed_when(sigstore: Sigstore, version: int, stamps: int, index: int) -> None:
    """The time is the log's or the stamp's, the number that of the entry."""
    signer = judged(sigstore.bundle(STATEMENT, version=version, stamps=stamps), policy(sigstore))
    assert Signer(None, WORKFLOW, GITHUB, sigstore.time, index) == signer


def test_the_promised_time_goes_first(sigstore: Sigstore) -> None:
    """A stamp is made a little later."""
    demanded, start = policy(sigstore), sigstore.time
    document = sigstore.bundle(STATEMENT)
    stamp_later(sigstore, document, 5)
    assert start == judged(document, demanded).signed_at


def test_of_two_stamps_neither_is_the_time(sigstore: Sigstore) -> None:
    """Both hold, and none is told."""
    demanded = policy(sigstore)
    document = sigstore.bundle(STATEMENT, version=2, stamps=1)
    stamp_later(sigstore, document, 5)
    assert judged(document, demanded).signed_at is None


def test_every_stamp_has_to_hold(sigstore: Sigstore) -> None:
    """Also beside a promise, which alone would do."""
    demanded, other = policy(sigstore), Sigstore(sigstore.clock)
    document = sigstore.bundle(STATEMENT)
    stamp_later(other, document, 0)
    with pytest.raises(Rejected, match="a time stamp is not by a trusted authority over this signature") as caught:
        judged(document, demanded)
    assert Reason.TIME == caught.value.reason


def test_strangers_stamps_are_not_verified(sigstore: Sigstore) -> None:
    """Whom nobody named is rejected for that, whatever his time stamps are: each costs milliseconds."""
    demanded, other = policy(sigstore), Sigstore(sigstore.clock)
    document = sigstore.bundle(STATEMENT, Order(identities=("https://evil.example",)))
    stamp_later(other, document, 0)
    with pytest.raises(Rejected) as caught:
        judged(document, demanded)
    assert Reason.IDENTITY == caught.value.reason


def test_every_time_has_to_be_within_the_certificate(sigstore: Sigstore) -> None:
    """A genuine stamp of an hour later says that somebody had the signature then, and a key that was over."""
    demanded = policy(sigstore)
    document = sigstore.bundle(STATEMENT, version=2, stamps=1)
    stamp_later(sigstore, document, 3600)
    with pytest.raises(Rejected) as caught:
        judged(document, demanded)
    assert Reason.CHAIN == caught.value.reason


def test_the_library_has_its_say(sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it raises, though all our own checks hold."""

    def fail(*_: object) -> None:
        raise TypeError("of its own")

    monkeypatch.setattr("sigstore.verify.Verifier.verify_dsse", fail)
    with pytest.raises(Rejected, match="sigstore's library rejects it: of its own") as caught:
        judged(sigstore.bundle(STATEMENT), policy(sigstore))
    assert Reason.UNSUPPORTED == caught.value.reason


def test_the_library_is_loaded_on_use() -> None:
    """Importing what judges costs nothing of it."""
    code = (
        "import sys, kubeoci.trust.keyless; print(sorted({'sigstore', 'rfc3161_client', 'tuf'} & sys.modules.keys()))"
    )
    assert "[]\n" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("home", ["", "/nonexistent"])
def test_no_home_is_needed(sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    """Containers often have none that can be written."""
    monkeypatch.setenv("HOME", home)
    assert judged(sigstore.bundle(STATEMENT), policy(sigstore))


def test_eight_threads(sigstore: Sigstore) -> None:
    """One policy serves many at once."""
    demanded = policy(sigstore)
    documents = [sigstore.bundle(STATEMENT, version=1 + at % 2, stamps=1) for at in range(16)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda document: judged(document, demanded).identity, documents))
    assert [WORKFLOW] * 16 == found
