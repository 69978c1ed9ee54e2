# SPDX-License-Identifier: Apache-2.0
"""Whoever signs: a role, and the key that plays it. What is signed, and where it is kept, is told by `sign`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from kubeoci.trust import bundle, evidence, simplesigning, statement
from kubeoci.trust.judge import Leaf
from kubeoci.trust.keys import PrivateKey
from kubeoci.trust.policy import KeyPolicy


class Signer(Protocol):
    """Signs payloads, and knows the policy that its signatures meet. Nothing is fetched before it is needed.

    All raise `trust.bad_policy` for what this signer cannot do; one that asks services raises `trust.sign_token` and
    `trust.sign_service` as well.
    """

    @property
    def who(self) -> evidence.Signer:
        """Whom a verification of its signatures will name: `key_fingerprint`, or `identity` and `issuer`."""
        ...

    def policy(self, formats: tuple[str, ...], annotations: Mapping[str, str], reference: str | None) -> Leaf:
        """The policy that accepts this signer alone; what is annotated and named is demanded as well."""
        ...

    def bundle(self, payload: bytes) -> bytes:
        """A bundle (JSON) around a signed statement."""
        ...

    def legacy(self, payload: bytes) -> Mapping[str, str]:
        """The annotations of the layer that holds the payload, as `simplesigning.annotations` makes them."""
        ...


@dataclass(frozen=True, slots=True)
class KeySigner:
    """Signs with a key, without a log."""

    key: PrivateKey

    @property
    def who(self) -> evidence.Signer:
        """The key."""
        return evidence.Signer(key_fingerprint=self.key.public.fingerprint)

    def policy(self, formats: tuple[str, ...], annotations: Mapping[str, str], reference: str | None) -> KeyPolicy:
        """Signed with this key."""
        return KeyPolicy((self.key.public,), annotations=annotations, reference=reference, formats=formats)

    def bundle(self, payload: bytes) -> bytes:
        """The statement in an envelope, with a hint at the key."""
        return bundle.write_key(payload, self.key.sign(statement.pae(payload)), self.key.public)

    def legacy(self, payload: bytes) -> dict[str, str]:
        """The signature alone."""
        return simplesigning.annotations(self.key.sign(payload))
