# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.services: what is asked for a signature, and what is said of services that fail."""

import hashlib
import json
from collections.abc import Iterator

import pytest

from kubeoci import digest as digests
from kubeoci.errors import TrustError
from kubeoci.trust import authorities, bundle, roots, statement, tokens
from kubeoci.trust.services import Session, TrustConfig, open_session
from simulator.registry import Fault
from simulator.sigstore_ca import GITHUB
from simulator.sigstore_http import Services

DIGEST = digests.of(b"manifest")
STATEMENT = statement.build(DIGEST, name="reg.io/app")
CERTIFICATE, ENTRY, ENTRY_2, STAMP = (
    f"POST {path}" for path in ("/api/v2/signingCert", "/api/v1/log/entries", "/api/v2/log/entries", "/tsa")
)


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


def opened(services: Services, *, version: int = 1, stamps: bool = False) -> Session:
    """A session of Ann's."""
    token = tokens.read(services.token("ann@example.com"), "identityToken")
    return open_session(token, trust(services, version=version, stamps=stamps))


@pytest.mark.parametrize(
    ("version", "stamps", "requests", "kind"),
    [
        (1, False, [CERTIFICATE, ENTRY], "dsse"),
        (1, True, [CERTIFICATE, STAMP, ENTRY], "dsse"),
        (2, True, [CERTIFICATE, STAMP, ENTRY_2], "hashedrekord"),
    ],
)
def test_bundles(services: Services, version: int, stamps: bool, requests: list[str], kind: str) -> None:
    """One request to each service; the bundle holds the statement, a certificate, an entry and time stamps."""
    session = opened(services, version=version, stamps=stamps)
    found = bundle.read(session.bundle(STATEMENT))
    assert requests == services.requests
    assert (STATEMENT, session.certificate) == (found.payload, found.certificate)
    assert ([kind], stamps) == ([entry.kind for entry in found.entries], bool(found.timestamps))


def test_legacy(services: Services) -> None:
    """The same services; the entry has what the annotation holds."""
    session = opened(services)
    found = session.legacy(b"payload")
    assert [CERTIFICATE, ENTRY] == services.requests
    assert (b"payload", session.certificate) == (found.payload, found.certificate)
    assert found.entry is not None
    assert hashlib.sha256(b"payload").hexdigest() == json.loads(found.entry.body)["spec"]["data"]["hash"]["value"]
    log_id, logged_at = services.sigstore.log.id, services.sigstore.time
    assert (log_id, logged_at) == (found.entry.log_id, found.entry.integrated_time)


def test_one_certificate_serves_for_more(services: Services) -> None:
    """A signature in each format takes one."""
    session = opened(services)
    session.bundle(STATEMENT)
    session.legacy(b"payload")
    assert [CERTIFICATE, ENTRY, ENTRY] == services.requests


def test_the_identity_is_that_of_the_certificate(services: Services) -> None:
    """A token states a number, its certificate an address."""
    token = tokens.read(services.token("4711", "https://issuer", email="jo@example.com"), "identityToken")
    found = open_session(token, trust(services)).identity
    assert ("jo@example.com", "https://issuer") == (found.subject, found.issuer)


def test_subjects_get_names(services: Services) -> None:
    """The library demands what a folder does not have."""
    found = bundle.read(opened(services).bundle(statement.build(DIGEST)))
    assert [DIGEST] == [subject["name"] for subject in json.loads(found.payload)["subject"]]


def failure(services: Services, *, version: int = 1, stamps: bool = False) -> TrustError:
    """The error of a session that makes a bundle."""
    with pytest.raises(TrustError) as caught:
        opened(services, version=version, stamps=stamps).bundle(STATEMENT)
    assert "trust.sign_service" == caught.value.code
    assert caught.value.advice.startswith("nothing was pushed")
    return caught.value


@pytest.mark.parametrize(
    "fault",
    [Fault(500), Fault(403, body=b'{"message": "no"}'), Fault(drop=True), Fault(body=b"junk"), Fault(body=b"{}")],
)
def test_an_authority_that_fails(services: Services, fault: Fault) -> None:
    """It is named, and nothing is logged."""
    services.fail(CERTIFICATE, fault)
    assert f"the certificate authority {services.url} gave no certificate: " in failure(services).what
    assert [CERTIFICATE] == services.requests


def test_a_certificate_by_two_issuers(services: Services) -> None:
    """Readers would take the one or the other, so it is nobody's."""
    services.order = {"old_issuer": "https://another.example"}
    with pytest.raises(TrustError, match="gave no certificate: the certificate has to name one issuer"):
        opened(services)
    assert [CERTIFICATE] == services.requests


def test_a_certificate_for_another_key(services: Services) -> None:
    """What would be signed with it is not even logged."""
    services.tricks.add("certificate")
    assert "the certificate is for another key" in failure(services).what
    assert [CERTIFICATE] == services.requests


def test_a_certificate_that_no_log_has_seen(services: Services) -> None:
    """The library looks for it."""
    services.order = {"scts": 0}
    assert "signed certificate timestamp" in failure(services).what


@pytest.mark.parametrize("fault", [Fault(500), Fault(400), Fault(drop=True), Fault(body=b"junk"), Fault(body=b"{}")])
@pytest.mark.parametrize("version", [1, 2])
def test_a_log_that_fails(services: Services, version: int, fault: Fault) -> None:
    """It is named."""
    services.fail((ENTRY, ENTRY_2)[version - 1], fault)
    assert f"the log {services.url} " in failure(services, version=version, stamps=True).what


def test_time_stamps_that_are_needed(services: Services) -> None:
    """A log of version 2 tells no time: the entry is made by then, and it is said."""
    services.fail(STAMP, Fault(500))
    told = f"the signature is in the log {services.url}, and no authority gave a time stamp"
    assert told == failure(services, version=2, stamps=True).what


def test_time_stamps_that_are_not_needed(services: Services) -> None:
    """The log of version 1 tells the time."""
    services.fail(STAMP, Fault(500))
    assert () == bundle.read(opened(services, stamps=True).bundle(STATEMENT)).timestamps


def test_a_token_that_ran_out_on_the_way(services: Services) -> None:
    """Our leeway is larger than the library's."""
    token = tokens.Token(services.token("ann@example.com", exp=1), "identityToken", "ann@example.com", GITHUB)
    with pytest.raises(TrustError, match="does not take the token of identityToken") as caught:
        open_session(token, trust(services))
    assert "trust.sign_token" == caught.value.code
    assert [] == services.requests


def test_the_token_is_in_no_error(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the library repeats of it, and wherever that is cut."""
    raw = services.token("ann@example.com")

    def fail(*_: object, **__: object) -> None:
        raise ValueError(f"{'x' * 250} Bearer {raw}; {raw.split('.')[2]}")

    monkeypatch.setattr("requests.Session.post", fail)
    with pytest.raises(TrustError) as caught:
        open_session(tokens.read(raw, "identityToken"), trust(services))
    assert not any(part in str(caught.value) for part in (raw[:20], *raw.split(".")))
    assert "Bearer ….….…" in str(caught.value)
