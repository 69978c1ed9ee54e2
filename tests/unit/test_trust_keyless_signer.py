# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.keyless_signer: as whom it signs, what it asks when, and what it does not hand on."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509

from kubeoci import digest as digests
from kubeoci.errors import TrustError
from kubeoci.trust import (
    authorities,
    bundle,
    evidence,
    keyless,
    keyless_signer,
    refresh,
    roots,
    simplesigning,
    statement,
    tokens,
)
from kubeoci.trust.keyless_signer import KeylessSigner
from kubeoci.trust.matching import IdentityMatch
from kubeoci.trust.services import TrustConfig
from kubeoci.trust.tokens import Token
from simulator.registry import Fault
from simulator.sigstore import Sigstore
from simulator.sigstore_ca import GITHUB
from simulator.sigstore_http import Services
from simulator.tuf import TufRepository

DIGEST = digests.of(b"manifest")
STATEMENT = statement.build(DIGEST, name="reg.io/app")
PAYLOAD = simplesigning.payload(DIGEST, "reg.io/app")
ANN = "ann@example.com"
SERVICES = [f"POST {path}" for path in ("/api/v2/signingCert", "/api/v1/log/entries", "/tsa")]


@pytest.fixture
def services() -> Iterator[Services]:
    """Sigstore on this machine."""
    with Services() as services:
        yield services


def trust(services: Services, *, version: int = 1, stamps: bool = False) -> TrustConfig:
    """What a user of these services would write."""
    config = json.loads(services.trust_config(version=version, stamps=stamps))
    return TrustConfig(
        roots.read(json.dumps(config["trustedRoot"]), source="inline", is_users=True),
        authorities.read(json.dumps(config["signingConfig"]), source="inline", is_users=True),
    )


def ann(services: Services) -> Callable[[], Token]:
    """Where Ann's token comes from."""
    return lambda: tokens.read(services.token(ANN), "identityToken")


def signer(services: Services, *, version: int = 1, stamps: bool = False, seconds: float = 30) -> KeylessSigner:
    """Ann."""
    config = trust(services, version=version, stamps=stamps)
    return KeylessSigner(ann(services), lambda: config, seconds=seconds)


def test_nobody_is_asked_before_anything_is_needed(services: Services) -> None:
    """Neither for a token nor for a certificate."""

    def fail() -> Token:
        raise AssertionError

    KeylessSigner(fail, lambda: trust(services))
    assert [] == services.requests


def test_who_signs(services: Services, caplog: pytest.LogCaptureFixture) -> None:
    """Whom the certificate names; one certificate is asked for, and it is told for which token."""
    ours = signer(services)
    with caplog.at_level(logging.INFO, logger="kubeoci"):
        assert [evidence.Signer(identity=ANN, issuer=GITHUB)] * 2 == [ours.who, ours.who]
    assert SERVICES[:1] == services.requests
    assert [f"signing as {ANN} of issuer {GITHUB} (token of identityToken)"] == caplog.messages


def test_its_policy(services: Services) -> None:
    """Exactly this identity, with what is demanded besides."""
    found = signer(services).policy(("legacy",), {"env": "prod"}, "reg.io/app")
    assert (IdentityMatch(issuer=GITHUB, subject=ANN),) == found.identities
    assert ({"env": "prod"}, "reg.io/app", ("legacy",)) == (found.annotations, found.reference, found.formats)


@pytest.mark.parametrize(("version", "stamps"), [(1, False), (1, True), (2, True)])
def test_bundles_meet_its_policy(services: Services, version: int, stamps: bool) -> None:
    """With a log of each version."""
    ours = signer(services, version=version, stamps=stamps)
    found = bundle.read(ours.bundle(STATEMENT))
    assert ANN == keyless.judge_bundle(found, ours.policy(("bundle",), {}, None)).identity


def test_legacy_signatures_meet_its_policy(services: Services) -> None:
    """The annotations are all that a reader gets beside the payload."""
    ours = signer(services)
    found = simplesigning.read(PAYLOAD, ours.legacy(PAYLOAD))
    assert ANN == keyless.judge_legacy(found, ours.policy(("legacy",), {}, None)).identity


def test_the_chain_is_that_of_the_trusted_root(services: Services) -> None:
    """Intermediate first, as cosign writes it."""
    notes = signer(services).legacy(PAYLOAD)
    chain = x509.load_pem_x509_certificates(notes[simplesigning.CHAIN].encode())
    assert list(services.sigstore.authority.chain) == chain
    assert 1 == notes[simplesigning.CERTIFICATE].count("BEGIN CERTIFICATE")


def test_no_legacy_format_with_the_newer_log(services: Services) -> None:
    """It gives no promise, which the format needs: refused before anything is logged."""
    ours = signer(services, version=2, stamps=True)
    for ask in (lambda: ours.policy(("bundle", "legacy"), {}, None), lambda: ours.legacy(PAYLOAD)):
        with pytest.raises(TrustError, match="the legacy format cannot hold") as caught:
            ask()
        assert "trust.bad_policy" == caught.value.code
    assert SERVICES[:1] == services.requests


def fault(ours: KeylessSigner) -> str:
    """The error of both formats."""
    codes, told = set(), []
    for sign in (lambda: ours.bundle(STATEMENT), lambda: ours.legacy(PAYLOAD)):
        with pytest.raises(TrustError) as caught:
            sign()
        codes.add(caught.value.code)
        told.append(caught.value.what)
    assert {"trust.sign_service"} == codes
    return "; ".join(told)


@pytest.mark.parametrize(("trick", "reason"), [("entry", "log"), ("checkpoint", "log"), ("promise", "")])
def test_what_does_not_hold_is_not_handed_on(services: Services, trick: str, reason: str) -> None:
    """Answers that look well: it would be pushed else, and found wrong by whoever pulls."""
    services.tricks.add(trick)
    with pytest.raises(TrustError) as caught:
        signer(services).bundle(STATEMENT)
    assert "trust.sign_service" == caught.value.code
    assert f"does not hold: {reason}" in caught.value.what


def test_services_that_are_not_those_of_the_trusted_root(services: Services) -> None:
    """Their certificates are worth nothing to those who verify."""
    config = trust(services)
    other = roots.read(json.dumps(Sigstore().trusted_root()), source="inline", is_users=True)
    ours = KeylessSigner(ann(services), lambda: TrustConfig(other, config.authorities))
    assert "gave no certificate" in fault(ours)


@pytest.mark.parametrize("silent", SERVICES)
def test_services_that_are_silent(services: Services, silent: str) -> None:
    """They are left alone when the seconds are used up, for both formats together."""
    services.fail(silent, Fault(delay=60), times=2)
    ours = signer(services, stamps=True, seconds=0.3)
    assert "token, certificate and log were not there after 0.3 s" in fault(ours)


def test_a_source_that_is_silent(services: Services) -> None:
    """A token may be slow to come by, too."""
    ours = KeylessSigner(lambda: services.leaving.wait() and ann(services)(), lambda: trust(services), seconds=0.05)
    assert "were not there after 0.05 s" in fault(ours)


def test_a_source_that_has_none(services: Services) -> None:
    """Its own error is the error."""

    def fail() -> Token:
        raise TrustError("trust.sign_token", "no token")

    with pytest.raises(TrustError, match=r"no token \(trust.sign_token\)"):
        KeylessSigner(fail, lambda: trust(services)).bundle(STATEMENT)


def test_without_a_home(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers often have none that can be written."""
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, "/nonexistent")
    assert ANN == signer(services).who.identity


def test_signer_of_given_texts(services: Services) -> None:
    """Nobody is asked before it signs."""
    config = json.loads(services.trust_config())
    texts = [json.dumps(config[name]) for name in ("trustedRoot", "signingConfig")]
    ours = keyless_signer.open_signer(services.token(ANN), *texts)
    assert [] == services.requests
    assert ANN == ours.who.identity


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (("{}", ""), "trust.bad_policy"),
        (("", "{}"), "trust.bad_policy"),
        (("{}", "{}"), "trust.trust_root"),
        ((json.dumps(Sigstore().trusted_root()), "{}"), "trust.bad_policy"),
    ],
    ids=range(4),
)
def test_texts_that_cannot_be_used(texts: tuple[str, str], code: str) -> None:
    """Told when the program is checked, and not when it signs."""
    with pytest.raises(TrustError) as caught:
        keyless_signer.open_signer("token", *texts)
    assert code == caught.value.code


def test_the_public_sigstore(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it publishes is had when it is needed, and kept in the folder that is named."""
    config = json.loads(services.trust_config())
    names = {refresh.TRUSTED_ROOT: "trustedRoot", refresh.SIGNING_CONFIG: "signingConfig"}
    with TufRepository({name: json.dumps(config[part]) for name, part in names.items()}) as published:
        repository = refresh.Repository(published.url, published.bootstrap)
        monkeypatch.setattr("kubeoci.trust.refresh.public", lambda: repository)
        ours = keyless_signer.open_signer(services.token(ANN), folder=tmp_path)
        assert [] == published.requests
        assert published.url == ours.policy(("bundle",), {}, None).trusted_root.source
    assert 1 == len(list(tmp_path.iterdir()))
