# SPDX-License-Identifier: Apache-2.0
"""The real cosign, version 2 and version 3, with its keys, and artifacts for it and for us to sign."""

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import toolbox
from e2e.others import Service, had
from kubeoci import digest as digests
from kubeoci import reference
from kubeoci.artifact import MANIFEST, Descriptor, canonical
from kubeoci.reference import Repository
from kubeoci.registry.remote import Registry
from kubeoci.trust import keys
from kubeoci.trust.evidence import Evidence
from kubeoci.trust.policy import KeyPolicy
from kubeoci.trust.sign import SignatureRecord, sign
from kubeoci.trust.signers import KeySigner
from kubeoci.trust.verify import verify

PASSWORD = "between us"
VERSIONS = {"cosign": 3, "cosign2": 2}
"""Folders below tools/, and the major versions that they make."""
MAKERS: dict[str, Callable[[], PrivateKeyTypes]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RSA": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}

_ROOT = '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'
_EMPTY = Descriptor("application/vnd.oci.empty.v1+json", digests.of(b"{}"), 2)


@dataclass(frozen=True, slots=True)
class Pair:
    """A key pair as files: an encrypted `cosign.key`, and its public half."""

    private: Path
    public: Path

    def signer(self) -> KeySigner:
        """The pair as we sign with it."""
        return KeySigner(keys.private_key(self.private.read_text(), PASSWORD))

    def policy(self, form: str) -> KeyPolicy:
        """What we demand of a signature by this key."""
        return KeyPolicy((keys.public_key(self.public.read_text(), self.public.name),), formats=(form,))


@dataclass(frozen=True, slots=True)
class Cosign:
    """One version of the real program, with `folder` as its home: nothing of the user's, nothing from the network."""

    program: Path
    version: int
    folder: Path

    def sign(self, ref: str, pair: Pair, form: str, **notes: str) -> None:
        """Sign what `ref` names, without a log."""
        plain = ["--use-signing-config=false"] if self.version > 2 else []
        self.run("sign", "--yes", "--tlog-upload=false", *plain, *flags(form, notes), f"--key={pair.private}", ref)

    def verify(self, ref: str, pair: Pair, form: str, **notes: str) -> None:
        """Verify what `ref` names; AssertionError with cosign's own words when it does not hold."""
        root = self.folder / "root.json"
        root.write_text(_ROOT)
        offline = [f"--trusted-root={root}"] if self.version == 2 else []
        self.run("verify", "--insecure-ignore-tlog", *offline, *flags(form, notes), f"--key={pair.public}", ref)

    def import_key(self, path: Path) -> Pair:
        """Make a pair of the PKCS #8 PEM in `path`."""
        prefix = path.with_suffix("")
        self.run("import-key-pair", "--yes", f"--key={path}", f"--output-key-prefix={prefix}")
        return Pair(prefix.with_suffix(".key"), prefix.with_suffix(".pub"))

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """What it prints; AssertionError with its complaint if it fails."""
        environment = {**os.environ, "HOME": str(self.folder), "COSIGN_PASSWORD": PASSWORD, **(environment or {})}
        command = [self.program, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert not done.returncode, done.stderr
        return done.stdout


def flags(form: str, notes: Mapping[str, str]) -> list[str]:
    """What signing and verifying have in common."""
    annotations = [f"--annotations={name}={value}" for name, value in notes.items()]
    return [f"--new-bundle-format={'true' if form == 'bundle' else 'false'}", "--allow-http-registry", *annotations]


@dataclass(frozen=True, slots=True)
class Place:
    """A repository of its own with one artifact in it, and our client, which has learned nothing yet."""

    registry: Registry
    repository: Repository
    subject: Descriptor

    @property
    def ref(self) -> str:
        """What cosign calls it."""
        return f"{self.repository}@{self.subject.digest}"

    def sign(self, pair: Pair, form: str, **notes: str) -> list[SignatureRecord]:
        """Sign with our code."""
        return sign(self.registry, self.repository, self.subject, pair.signer(), formats=(form,), annotations=notes)

    def verify(self, pair: Pair, form: str, **notes: str) -> Evidence:
        """Verify with our code."""
        policy = replace(pair.policy(form), annotations=notes)
        return verify(self.registry, self.repository, self.subject.digest, policy)


def made(service: Service, name: str, folder: Path) -> Place:
    """A new place in a registry, called like the test with this name."""
    path = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    registry, repository = service.registry(folder / "cache"), reference.parse(f"{service.host}/{path}").repository
    fields = {"schemaVersion": 2, "mediaType": MANIFEST, "config": _EMPTY.document(), "layers": [_EMPTY.document()]}
    raw = canonical(fields | {"annotations": {"name": name}})
    registry.put_blob(repository, _EMPTY, lambda: BytesIO(b"{}"))
    registry.put_manifest(repository, digests.of(raw), raw, MANIFEST)
    return Place(registry, repository, Descriptor(MANIFEST, digests.of(raw), len(raw)))


def cosign(name: str, folder: Path) -> Cosign:
    """A version of cosign, by its folder below tools/."""
    return Cosign(had(lambda: toolbox.locate([name]))["cosign"], VERSIONS[name], folder)


class Pairs:
    """Key pairs, made when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._made = folder, dict[str, Pair]()

    def __getitem__(self, name: str) -> Pair:
        """A pair of the kind that `name` begins with."""
        if name not in self._made:
            path = self._folder / f"{name.replace(' ', '-')}.pem"
            key = MAKERS[name.partition(" ")[0]]()
            path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            self._made[name] = cosign("cosign", self._folder).import_key(path)
        return self._made[name]
