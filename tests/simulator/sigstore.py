# SPDX-License-Identifier: Apache-2.0
"""Sigstore in memory: certificate authority, CT log, logs of both versions, time stamp authority, one clock.

    sigstore = Sigstore()
    document = sigstore.bundle(b"payload")                    # what a keyless signer gets, as a dict to tamper with
    document = sigstore.bundle(b"payload", Order(scts=0))     # a leaf that no good authority issues
    document = sigstore.bundle(b"payload", version=2, stamps=1)
    signature = sigstore.legacy(b"payload")                   # with its certificate and its log entry
    root = json.dumps(sigstore.trusted_root())

`clock` is the time of everything; tests may set it. `simulator.sigstore_http.Services` puts it behind HTTP.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from simulator import sigstore_log as log
from simulator.sigstore_ca import Authority, Order, PublicKey, pem, spki
from simulator.sigstore_log import Log, Logged, b64
from simulator.sigstore_tsa import Query, TimeStamper

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_GOOD = Order()
_DETAILS = "PKIX_ECDSA_P256_SHA_256"


@dataclass(frozen=True)
class Signed:
    """A signature over a payload, its certificate and its entry in the log: the parts of the legacy format."""

    payload: bytes
    signature: bytes
    certificate: x509.Certificate
    entry: Logged

    @property
    def pem(self) -> str:
        """The certificate as the legacy format holds it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


class Sigstore:
    """See the module. `authority`, `log`, `log_v2` and `tsa` are open to look into and to change."""

    def __init__(self, now: datetime | None = None) -> None:
        self.clock = (now or datetime.now(UTC)).replace(microsecond=0)
        self.authority = Authority(self.clock)
        self.log, self.log_v2 = Log(1), Log(2)
        self.tsa = TimeStamper(self.clock)

    @property
    def time(self) -> int:
        """The clock in seconds since 1970."""
        return int(self.clock.timestamp())

    def bundle(
        self,
        payload: bytes,
        order: Order = _GOOD,
        *,
        version: int = 1,
        stamps: int = 0,
        key: ec.EllipticCurvePrivateKey | None = None,
        payload_type: str = PAYLOAD_TYPE,
    ) -> dict[str, Any]:
        """A keyless bundle v0.3, entered into the log of this version, with so many time stamps.

        Given a `key`, that key signs alone: no certificate, a hint, and the log names its public key.
        """
        signer = key or ec.generate_private_key(ec.SECP256R1())
        pae = preauthentication(payload, payload_type)
        signature = signer.sign(pae, ec.ECDSA(hashes.SHA256()))
        leaf = None if key else self.authority.issue(signer.public_key(), self.clock, order)
        entry = self._entered(payload, pae, signature, leaf or signer.public_key(), version)
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                **_signer(leaf or signer.public_key()),
                "tlogEntries": [entry.item()],
                "timestampVerificationData": {"rfc3161Timestamps": [self.stamp(signature) for _ in range(stamps)]},
            },
            "dsseEnvelope": {
                "payload": b64(payload),
                "payloadType": payload_type,
                "signatures": [{"sig": b64(signature)}],
            },
        }

    def legacy(self, payload: bytes, order: Order = _GOOD) -> Signed:
        """A signature over raw bytes, entered into the log of version 1."""
        signer = ec.generate_private_key(ec.SECP256R1())
        signature = signer.sign(payload, ec.ECDSA(hashes.SHA256()))
        leaf = self.authority.issue(signer.public_key(), self.clock, order)
        body = log.hashedrekord(hashlib.sha256(payload).hexdigest(), signature, _pem(leaf))
        return Signed(payload, signature, leaf, self.log.add(body, self.time))

    def stamp(self, signature: bytes) -> dict[str, str]:
        """A time stamp of a signature, as a bundle holds it."""
        return {"signedTimestamp": b64(self.tsa.stamp(Query(hashlib.sha256(signature).digest()), self.clock))}

    def trusted_root(self) -> dict[str, Any]:
        """What a verifier has to trust: everything since a year ago."""
        start = _utc(self.clock - timedelta(days=365))
        logs = [_log(item.id, item.key.public_key(), start) for item in (self.log, self.log_v2)]
        ct = self.authority.ct
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": logs,
            "certificateAuthorities": [_authority(self.authority.chain, start)],
            "ctlogs": [_log(ct.id, ct.key.public_key(), start)],
            "timestampAuthorities": [_authority(self.tsa.chain, start)],
        }

    def signing_config(self, url: str, *, version: int = 1, stamps: bool = False) -> dict[str, Any]:
        """What a signer has to ask, all of it at one URL."""
        return {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [self._service(url)],
            "oidcUrls": [],
            "rekorTlogUrls": [self._service(url, version)],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": [self._service(f"{url}/tsa")] if stamps else [],
            "tsaConfig": {"selector": "ANY"},
        }

    def trust_config(self, url: str, *, version: int = 1, stamps: bool = False) -> dict[str, Any]:
        """Both in one, as sigstore's client reads it."""
        return {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": self.trusted_root(),
            "signingConfig": self.signing_config(url, version=version, stamps=stamps),
        }

    def _service(self, url: str, version: int = 1) -> dict[str, Any]:
        start = {"start": _utc(self.clock - timedelta(days=1))}
        return {"url": url, "majorApiVersion": version, "validFor": start, "operator": "fake"}

    def _entered(
        self, payload: bytes, pae: bytes, signature: bytes, signer: x509.Certificate | PublicKey, version: int
    ) -> Logged:
        if version == 1:
            return self.log.add(log.dsse(payload, signature, _pem(signer)), self.time)
        verifier = {**_verifier(signer), "keyDetails": _DETAILS}
        body = log.hashedrekord_v2(hashlib.sha256(pae).digest(), {"content": b64(signature), "verifier": verifier})
        return self.log_v2.add(body, self.time)


def preauthentication(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """What DSSE signs."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _signer(signer: x509.Certificate | PublicKey) -> dict[str, Any]:
    """Who signed, as a bundle says it."""
    if isinstance(signer, x509.Certificate):
        return {"certificate": {"rawBytes": _der(signer)}}
    return {"publicKey": {"hint": b64(hashlib.sha256(spki(signer)).digest())}}


def _verifier(signer: x509.Certificate | PublicKey) -> dict[str, Any]:
    """Who signed, as an entry of version 2 says it."""
    if isinstance(signer, x509.Certificate):
        return {"x509Certificate": {"rawBytes": _der(signer)}}
    return {"publicKey": {"rawBytes": b64(spki(signer))}}


def _pem(signer: x509.Certificate | PublicKey) -> bytes:
    return signer.public_bytes(serialization.Encoding.PEM) if isinstance(signer, x509.Certificate) else pem(signer)


def _der(certificate: x509.Certificate) -> str:
    return b64(certificate.public_bytes(serialization.Encoding.DER))


def _log(identity: bytes, key: PublicKey, start: str) -> dict[str, Any]:
    details = "PKIX_ED25519" if isinstance(key, ed25519.Ed25519PublicKey) else _DETAILS
    public = {"rawBytes": b64(spki(key)), "keyDetails": details, "validFor": {"start": start}}
    return {
        "baseUrl": "https://rekor.fake.dev",
        "hashAlgorithm": "SHA2_256",
        "publicKey": public,
        "logId": {"keyId": b64(identity)},
    }


def _authority(chain: Iterable[x509.Certificate], start: str) -> dict[str, Any]:
    return {
        "subject": {"organization": "fake.dev", "commonName": "fake"},
        "uri": "https://ca.fake.dev",
        "certChain": {"certificates": [{"rawBytes": _der(certificate)} for certificate in chain]},
        "validFor": {"start": start},
    }


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
