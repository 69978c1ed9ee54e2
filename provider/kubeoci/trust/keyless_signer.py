# SPDX-License-Identifier: Apache-2.0
"""Signing without a key: a certificate for whom a token names, and an entry in a public log.

Rules:
- nobody is asked before something is to be signed, and nobody ever waits for a person;
- token, certificate, log and time stamps together take 30 seconds at most, whatever the services do: they are asked
  in threads that are left behind then, and that never write to a registry;
- what the services gave is judged as a stranger's signature would be, before it is handed on;
- the policy of this signer names the identity in its certificate, which is often another than the token states.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kubeoci.errors import TrustError
from kubeoci.trust import (
    authorities,
    bundle,
    certificates,
    evidence,
    keyless,
    refresh,
    roots,
    simplesigning,
    tokens,
)
from kubeoci.trust.evidence import Rejected
from kubeoci.trust.faults import bad_policy, sign_service
from kubeoci.trust.matching import IdentityMatch
from kubeoci.trust.material import LegacySignature
from kubeoci.trust.patience import Patience
from kubeoci.trust.policy import KeylessPolicy
from kubeoci.trust.services import Session, TrustConfig, open_session
from kubeoci.trust.tokens import Token

SECONDS = 30.0

_log = logging.getLogger(__name__)


class KeylessSigner:
    """Signs as whom the token of `source` names. Both arguments are asked on first use, where they may hang.

    Methods raise `trust.sign_token`, `trust.sign_service`, and what `source` and `trust` raise.
    """

    def __init__(
        self, source: Callable[[], Token], trust: Callable[[], TrustConfig], *, seconds: float = SECONDS
    ) -> None:
        self._source, self._trust = source, trust
        self._patience = Patience(seconds, partial(_late, seconds))
        self._opened: Session | None = None
        self._lock = threading.Lock()

    @property
    def who(self) -> evidence.Signer:
        """The identity and the issuer in the certificate, which is asked for if there is none yet."""
        named = self._session().identity
        return evidence.Signer(identity=named.subject, issuer=named.issuer)

    def policy(self, formats: tuple[str, ...], annotations: Mapping[str, str], reference: str | None) -> KeylessPolicy:
        """Signed by exactly this identity. Raises `trust.bad_policy` for what the log cannot give."""
        session = self._session()
        version = session.trust.authorities.log_version
        if "legacy" in formats and version > 1:
            what = f"the log is of version {version}, whose entries the legacy format cannot hold"
            raise bad_policy(what, "leave `legacy` out, or name a log of version 1")
        match = IdentityMatch(issuer=session.identity.issuer, subject=session.identity.subject)
        return KeylessPolicy(
            (match,), session.trust.root, annotations=annotations, reference=reference, formats=formats
        )

    def bundle(self, payload: bytes) -> bytes:
        """A bundle (JSON) around a signed statement."""
        policy = self.policy(("bundle",), {}, None)
        raw = self._patience.wait(partial(self._session().bundle, payload))
        _check(lambda: keyless.judge_bundle(bundle.read(raw), policy))
        return raw

    def legacy(self, payload: bytes) -> dict[str, str]:
        """The annotations of the layer that holds the payload: signature, certificate, its chain and the log entry."""
        policy, session = self.policy(("legacy",), {}, None), self._session()
        found = self._patience.wait(partial(session.legacy, payload))
        _check(lambda: keyless.judge_legacy(found, policy))
        return _annotations(found, session)

    def _session(self) -> Session:
        with self._lock:
            if self._opened is None:
                self._opened = self._patience.wait(self._open)
            return self._opened

    def _open(self) -> Session:
        trust, token = self._trust(), self._source()
        _log.info("signing as %s", token)
        return open_session(token, trust)


def open_signer(
    identity_token: str = "", trusted_root: str = "", signing_config: str = "", folder: Path | None = None
) -> KeylessSigner:
    """Who signs, from texts; what is left out is found as `tokens.find` says, or is that of the public Sigstore.

    `folder` keeps what was refreshed of the latter. Raises `trust.trust_root` and `trust.bad_policy` for texts that
    cannot be used; asks nobody yet.
    """
    if bool(trusted_root) != bool(signing_config):
        what = "a signing configuration and a trusted root belong together, and only one is given"
        raise bad_policy(what, "give both, or neither for the public Sigstore")
    if not trusted_root:
        return KeylessSigner(partial(tokens.find, identity_token), partial(_public, folder))
    root = roots.read(trusted_root, source="trustedRoot", is_users=True)
    config = TrustConfig(root, authorities.read(signing_config, source="signingConfig", is_users=True))
    return KeylessSigner(partial(tokens.find, identity_token), lambda: config)


def _public(folder: Path | None) -> TrustConfig:
    found = refresh.published(refresh.public(), folder)
    config = authorities.read(found.text(refresh.SIGNING_CONFIG), source=found.source, is_users=False)
    return TrustConfig(found.trusted_root(), config)


def _late(seconds: float) -> TrustError:
    what = f"token, certificate and log were not there after {seconds:g} s"
    return sign_service(what, "nothing was pushed: see whether the services are up, and run again")


def _check(judge: Callable[[], object]) -> None:
    """What the services gave holds. Raises `trust.sign_service`."""
    try:
        judge()
    except Rejected as verdict:
        what = f"what the services gave does not hold: {verdict.reason}: {verdict.text}"
        raise sign_service(what, "nothing was pushed: see whether the trusted root is that of these services") from None


def _annotations(found: LegacySignature, session: Session) -> dict[str, str]:
    """As cosign writes them. The chain is that of the trusted root, for readers that want one beside it."""
    leaf = certificates.read(session.certificate)
    authorities = session.trust.root.authorities
    issuer = certificates.issuer(leaf, authorities, datetime.now(UTC))
    chain = next(each.chain for each in authorities if issuer in each.chain)
    return simplesigning.annotations(
        found.signature, certificate=_pem(leaf.certificate), chain="".join(map(_pem, chain)), entry=found.entry
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
