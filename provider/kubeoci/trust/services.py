# SPDX-License-Identifier: Apache-2.0
"""The services that stand in for a key, asked through sigstore's library: certificate authority, log, time stamps.

The library asks without time limits: all of this is to be run where nobody has to wait for its end. What it says of a
failure may hold anything, so it is told shortened and without the token.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kubeoci.artifact import canonical
from kubeoci.trust import certificates
from kubeoci.trust.authorities import Authorities
from kubeoci.trust.certificates import Identity
from kubeoci.trust.evidence import Rejected
from kubeoci.trust.faults import sign_service, sign_token
from kubeoci.trust.material import LegacySignature, LogEntry
from kubeoci.trust.roots import TrustedRoot
from kubeoci.trust.tokens import Token

if TYPE_CHECKING:
    from cryptography import x509
    from sigstore import sign
    from sigstore._internal.fulcio import FulcioClient
    from sigstore.oidc import IdentityToken

_CONFIG_TYPE = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
_MAX_TOLD = 300
_AGAIN = "nothing was pushed: run again"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TrustConfig:
    """Whom to ask, and what to believe of the answers."""

    root: TrustedRoot
    authorities: Authorities

    def text(self) -> str:
        """Both for sigstore's library."""
        parts = {"trustedRoot": self.root.document(), "signingConfig": self.authorities.document()}
        return canonical({"mediaType": _CONFIG_TYPE, **parts}).decode()


@dataclass(frozen=True, slots=True)
class Session:
    """A certificate and the key to it, good for some minutes. `identity` is whom the certificate names."""

    trust: TrustConfig
    certificate: bytes = field(repr=False)
    identity: Identity
    _signer: "sign.Signer" = field(repr=False)

    def bundle(self, statement: bytes) -> bytes:
        """A bundle (JSON) around an in-toto statement. Raises `trust.sign_service`."""
        from sigstore.dsse import Statement  # noqa: PLC0415 - loads slowly

        stated = Statement(_named(statement))
        return self._logged(lambda: self._signer.sign_dsse(stated).to_json().encode())

    def legacy(self, payload: bytes) -> LegacySignature:
        """A signature over a payload, with its log entry. Raises `trust.sign_service`."""

        def sign() -> LegacySignature:
            """Sign and log; the package gives both in one bundle."""
            found = json.loads(self._signer.sign_artifact(payload).to_json())
            signature = base64.b64decode(found["messageSignature"]["signature"])
            return LegacySignature(payload, signature, self.certificate, _entry(found))

        return self._logged(sign)

    def _logged(self, sign: Callable[[], T]) -> T:
        from sigstore.models import InvalidBundle  # noqa: PLC0415 - loads slowly

        log = self.trust.authorities.log
        try:
            return sign()
        except Exception as error:  # noqa: BLE001 - a library over services of others
            if self.trust.authorities.log_version > 1 and isinstance(error, InvalidBundle):
                raise sign_service(
                    f"the signature is in the log {log}, and no authority gave a time stamp", _AGAIN
                ) from None
            raise sign_service(f"the log {log} took no entry: {_told(error)}", _AGAIN) from None


def open_session(token: Token, trust: TrustConfig) -> Session:
    """Have a certificate issued for the token. Raises `trust.sign_token` and `trust.sign_service`."""
    from sigstore.models import ClientTrustConfig  # noqa: PLC0415 - loads slowly
    from sigstore.oidc import ExpiredIdentity, IdentityError, IdentityToken  # noqa: PLC0415 - loads slowly
    from sigstore.sign import SigningContext  # noqa: PLC0415 - loads slowly

    config = ClientTrustConfig.from_json(trust.text())
    services = config.signing_config
    issuer = _Issuer(services.get_fulcio())
    context = SigningContext(
        fulcio=cast("FulcioClient", issuer),
        rekor=services.get_tlogs()[0],
        trusted_root=config.trusted_root,
        tsa_clients=services.get_tsas(),
    )
    try:
        with context.signer(IdentityToken(token.raw)) as signer:
            leaf = certificates.read(issuer.issued)
            return Session(trust, issuer.issued, certificates.identity(leaf), signer)
    except (IdentityError, ExpiredIdentity):
        raise sign_token(
            f"sigstore does not take the token of {token.source}", "fetch it just before it is used"
        ) from None
    except Rejected as verdict:
        _unissued(trust, verdict.text)
    except Exception as error:  # noqa: BLE001 - a library over services of others
        _unissued(trust, _told(error, *token.raw.split(".")))


class _Issuer:
    """The library's client of the certificate authority, and the certificate that it got."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - a class that the library keeps for itself
        self._client = client
        self.issued = b""

    @property
    def signing_cert(self) -> "_Issuer":
        """What the library asks for certificates."""
        return self

    def post(self, request: "x509.CertificateSigningRequest", token: "IdentityToken") -> Any:  # noqa: ANN401 - as above
        """Ask for one, and look whether it is for the key that was sent."""
        answer = self._client.signing_cert.post(request, token)
        if _spki(answer.cert) != _spki(request):
            raise ValueError("the certificate is for another key")
        self.issued = answer.cert.public_bytes(Encoding.DER)
        return answer


def _unissued(trust: TrustConfig, what: str) -> NoReturn:
    raise sign_service(
        f"the certificate authority {trust.authorities.ca} gave no certificate: {what}", _AGAIN
    ) from None


def _named(statement: bytes) -> bytes:
    """The statement with names for its subjects, which the library demands: their digests if they have none."""
    document = json.loads(statement)
    for subject in document["subject"]:
        subject.setdefault("name", f"sha256:{subject['digest']['sha256']}")
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _entry(found: dict[str, Any]) -> LogEntry:
    """The log entry of a bundle that the library made."""
    (entry,) = found["verificationMaterial"]["tlogEntries"]
    return LogEntry(
        log_index=int(entry["logIndex"]),
        log_id=base64.b64decode(entry["logId"]["keyId"]),
        integrated_time=int(entry["integratedTime"]),
        promise=base64.b64decode(entry["inclusionPromise"]["signedEntryTimestamp"]),
        body=base64.b64decode(entry["canonicalizedBody"]),
    )


def _spki(holder: "x509.Certificate | x509.CertificateSigningRequest") -> bytes:
    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _told(error: Exception, *hidden: str) -> str:
    """What went wrong, also where the library says nothing and only its cause does; without the parts of a token."""
    told = str(error) or str(error.__cause__ or "")
    for part in hidden:  # before it is cut: half a secret is one
        told = told.replace(part, "…")
    return f"{type(error).__name__}: {told}"[:_MAX_TOLD] if told else type(error).__name__
