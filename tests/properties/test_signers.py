# SPDX-License-Identifier: Apache-2.0
"""Whatever is given as a key, a token, an identity or a configuration: something that serves, or an error of ours."""

import base64
import json
import time

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import strategies as st

from kubeoci.errors import TrustError
from kubeoci.trust import authorities, keys, tokens
from kubeoci.trust.authorities import Authorities
from kubeoci.trust.evidence import Rejected
from kubeoci.trust.keys import PrivateKey, PublicKey
from kubeoci.trust.matching import IdentityMatch
from kubeoci.trust.tokens import Token
from properties.documents import anything
from properties.effort import outcome, repeated, tried

KEY = ec.generate_private_key(ec.SECP256R1())
SPKI = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
PKCS8 = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
SERVICE = {"url": "https://one.example", "majorApiVersion": 1, "validFor": {"start": "2020-01-01T00:00:00Z"}}
CONFIGURATION = {
    "mediaType": authorities.MEDIA_TYPE,
    "caUrls": [SERVICE],
    "rekorTlogUrls": [SERVICE],
    "tsaUrls": [SERVICE],
    "tsaConfig": {"selector": "EXACT", "count": 1},
}
CLAIMS = {"iss": "i", "sub": "s", "aud": "sigstore", "iat": 0, "exp": time.time() + 3600, "email": "jo@example.com"}

markers = ("-----BEGIN PUBLIC KEY-----\n", "\n-----END PUBLIC KEY-----", "QUJD", "=", "\r\n", " ", "é", "-")


def damaged(data: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with one of them changed, or with a piece replaced."""
    places = st.integers(0, len(data) - 1)
    return st.builds(
        lambda at, new, gone: data[:at] + new + data[at + gone :], places, st.binary(max_size=4), st.integers(0, 4)
    )


def pem(label: str, data: bytes) -> str:
    """A file around it."""
    return f"-----BEGIN {label}-----\n{base64.b64encode(data).decode()}\n-----END {label}-----\n"


def replaced(document: dict[str, object]) -> st.SearchStrategy[dict[str, object]]:
    """The document with something else at one of its places."""
    inner = [
        replaced(value).map(lambda new, name=name: {**document, name: new})
        for name, value in document.items()
        if isinstance(value, dict)
    ]
    names = st.sampled_from(sorted(document)) | st.text(max_size=5)
    return st.one_of(st.builds(lambda name, value: {**document, name: value}, names, anything), *inner)


@tried(damaged(SPKI).map(lambda data: pem("PUBLIC KEY", data)) | repeated(markers, 100_000) | st.text(max_size=80))
def test_public_keys(text: str) -> None:
    """A key whose text can be written again, or `trust.bad_key`."""
    found = outcome(keys.public_key, text, "a.pub")
    if isinstance(found, PublicKey):
        assert found == keys.public_key(found.pem, "a.pub")
    else:
        assert isinstance(found, TrustError)
        assert ("trust.bad_key", "a.pub") == (found.code, found.where)


@tried(
    damaged(PKCS8).map(lambda data: pem("PRIVATE KEY", data))
    | st.binary(max_size=80).map(lambda data: pem("ENCRYPTED SIGSTORE PRIVATE KEY", data))
    | st.binary(max_size=80).map(lambda data: pem("ENCRYPTED PRIVATE KEY", data)),
)
def test_private_keys(text: str) -> None:
    """A key whose signatures hold, or `trust.bad_key`."""
    found = outcome(keys.private_key, text, "pw" if "ENCRYPTED" in text else None)
    if isinstance(found, PrivateKey):
        found.public.verify(found.sign(b"message"), b"message")
    else:
        assert isinstance(found, TrustError)
        assert "trust.bad_key" == found.code


@tried(replaced(CLAIMS).map(json.dumps) | st.text(max_size=80))
def test_tokens(claims: str) -> None:
    """A token for somebody, or `trust.sign_token`."""
    middle = base64.urlsafe_b64encode(claims.encode(errors="surrogatepass")).decode()
    found = outcome(tokens.read, f"a.{middle}.b", "identityToken")
    if isinstance(found, Token):
        assert found.identity
        assert found.issuer
    else:
        assert isinstance(found, TrustError)
        assert "trust.sign_token" == found.code


@tried((replaced(CONFIGURATION) | replaced(SERVICE).map(lambda it: {**CONFIGURATION, "caUrls": [it]})).map(json.dumps))
def test_configurations(text: str) -> None:
    """One certificate authority and one log, or `trust.bad_policy`."""
    found = outcome(lambda: authorities.read(text, source="inline", is_users=True))
    if isinstance(found, Authorities):
        assert {1, 2} >= {found.log_version}
        assert "https://one.example" == found.log
    else:
        assert isinstance(found, TrustError)
        assert "trust.bad_policy" == found.code


@tried(st.tuples(st.text(max_size=9) | repeated(("a", "@", "\n", "é"), 3000), st.text(max_size=9)))
def test_identities(named: tuple[str, str]) -> None:
    """A verdict, and soon, whatever a certificate names."""
    match = IdentityMatch(issuer_regex="a{1,900}.*b?", subject_regex=".*@.*@.*@.*a")

    def judge() -> object:
        try:
            return match.matches(*named, {})
        except Rejected as verdict:
            return verdict

    assert isinstance(outcome(judge), Rejected | None)
