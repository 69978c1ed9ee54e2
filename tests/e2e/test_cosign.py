# SPDX-License-Identifier: Apache-2.0
"""cosign verifies what we sign and we verify what it signs: versions 2 and 3, both formats, all keys."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import toolbox
from e2e.others import Service, Services, services
from kubeoci import digest as digests
from kubeoci import reference
from kubeoci.artifact import MANIFEST, Descriptor, canonical
from kubeoci.errors import TrustError
from kubeoci.reference import Repository
from kubeoci.registry.remote import Registry
from kubeoci.trust import keys
from kubeoci.trust.evidence import Evidence
from kubeoci.trust.policy import KeyPolicy
from kubeoci.trust.remove import remove
from kubeoci.trust.sign import SignatureRecord, sign
from kubeoci.trust.signers import KeySigner
from kubeoci.trust.verify import verify
from toolbox import ToolError

PASSWORD = "between us"
VERSIONS = {"cosign": 3, "cosign2": 2}
"""Folders below tools/, and the major versions that they make."""
FORMATS = ("bundle", "legacy")
KINDS = ("plain", "referrers")
QUICK = {
    ("cosign", "bundle", "plain", "P-256"),
    ("cosign", "legacy", "plain", "P-256"),
    ("cosign", "bundle", "referrers", "P-256"),
}
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
        self.run("sign", "--yes", "--tlog-upload=false", *plain, *_shared(form, notes), f"--key={pair.private}", ref)

    def verify(self, ref: str, pair: Pair, form: str, **notes: str) -> None:
        """Verify what `ref` names; AssertionError with cosign's own words when it does not hold."""
        root = self.folder / "root.json"
        root.write_text(_ROOT)
        offline = [f"--trusted-root={root}"] if self.version == 2 else []
        self.run("verify", "--insecure-ignore-tlog", *offline, *_shared(form, notes), f"--key={pair.public}", ref)

    def import_key(self, path: Path) -> Pair:
        """Make a pair of the PKCS #8 PEM in `path`."""
        prefix = path.with_suffix("")
        self.run("import-key-pair", "--yes", f"--key={path}", f"--output-key-prefix={prefix}")
        return Pair(prefix.with_suffix(".key"), prefix.with_suffix(".pub"))

    def run(self, *arguments: str) -> str:
        """What it prints."""
        environment = os.environ | {"HOME": str(self.folder), "COSIGN_PASSWORD": PASSWORD}
        command = [self.program, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert not done.returncode, done.stderr
        return done.stdout


def _shared(form: str, notes: Mapping[str, str]) -> list[str]:
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
    """A new place in a registry."""
    registry, repository = service.registry(folder / "cache"), reference.parse(f"{service.host}/{name}").repository
    fields = {"schemaVersion": 2, "mediaType": MANIFEST, "config": _EMPTY.document(), "layers": [_EMPTY.document()]}
    raw = canonical(fields | {"annotations": {"name": name}})
    registry.put_blob(repository, _EMPTY, lambda: BytesIO(b"{}"))
    registry.put_manifest(repository, digests.of(raw), raw, MANIFEST)
    return Place(registry, repository, Descriptor(MANIFEST, digests.of(raw), len(raw)))


def had(get):  # noqa: ANN001, ANN201 - whatever the function gives
    """What `get` gives; a program that cannot be had skips the test, but not in CI."""
    try:
        return get()
    except ToolError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


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


@pytest.fixture(scope="module")
def everywhere() -> Iterator[Services]:
    """Registries by kind."""
    with services() as started:
        yield started


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    """Key pairs by kind, encrypted by cosign."""
    return Pairs(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def place(everywhere: Services, kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    """A new artifact in a registry of one kind."""
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name.lower())
    return made(had(lambda: everywhere[kind]), name.replace("--", "-").strip("-"), tmp_path)


def matrix(*names: str) -> pytest.MarkDecorator:
    """Every version, form and kind of registry with keys of these kinds; most rows are long."""
    rows: Iterable[tuple[str, ...]] = itertools.product(VERSIONS, FORMATS, KINDS, names)
    marked = [pytest.param(*row, marks=[] if row in QUICK else pytest.mark.long) for row in rows]
    return pytest.mark.parametrize(("version", "form", "kind", "key"), marked)


@matrix("P-256", "P-384", "P-521", "RSA")
def test_cosign_verifies_ours(place: Place, pairs: Pairs, version: str, form: str, key: str, tmp_path: Path) -> None:
    """What we sign holds for every cosign, and so it does when it is signed again, which writes nothing."""
    program, pair = cosign(version, tmp_path), pairs[key]
    written = place.sign(pair, form)
    program.verify(place.ref, pair, form)
    assert written == place.sign(pair, form)
    with pytest.raises(AssertionError, match=r"no matching|no signatures|not match"):
        program.verify(place.ref, pairs["P-256 other"], form)


@matrix("P-256", "P-384", "P-521", "RSA")
def test_we_verify_cosign(place: Place, pairs: Pairs, version: str, form: str, key: str, tmp_path: Path) -> None:
    """What every cosign signs holds for us, under its key alone; we sign it again only as it names no repository."""
    program, pair = cosign(version, tmp_path), pairs[key]
    program.sign(place.ref, pair, form)
    found = place.verify(pair, form)
    assert (form, pair.signer().key.public.fingerprint) == (found.format, found.key_fingerprint)
    with pytest.raises(TrustError, match=r"trust\.no_match"):
        place.verify(pairs["P-256 other"], form)
    (ours,) = place.sign(pair, form)
    assert (form == "legacy") == (found.signature_manifest == ours.manifest)


@pytest.mark.parametrize("kind", ["plain"])
@pytest.mark.parametrize("form", FORMATS)
def test_annotations(place: Place, pairs: Pairs, form: str, tmp_path: Path) -> None:
    """Both demand of the other's signature what the other one annotated, and no less."""
    program, ours, theirs = cosign("cosign", tmp_path), pairs["P-256"], pairs["P-256 other"]
    place.sign(ours, form, by="us")
    program.sign(place.ref, theirs, form, by="them")
    program.verify(place.ref, ours, form, by="us")
    with pytest.raises(AssertionError, match=r"no matching|missing or incorrect annotation"):
        program.verify(place.ref, ours, form, by="them")
    place.verify(theirs, form, by="them")
    with pytest.raises(TrustError, match=r"annotation: "):
        place.verify(theirs, form, by="us")


@pytest.mark.parametrize("kind", ["plain"])
def test_a_pair_that_we_make(place: Place, tmp_path: Path) -> None:
    """It is one for cosign as well."""
    made, pair = keys.generate(PASSWORD), Pair(tmp_path / "cosign.key", tmp_path / "cosign.pub")
    pair.private.write_text(made.private)
    pair.public.write_text(made.public)
    program = cosign("cosign", tmp_path)
    program.sign(place.ref, pair, "bundle")
    program.verify(place.ref, pair, "bundle")
    assert "bundle" == place.verify(pair, "bundle").format


@matrix("Ed25519")
def test_ed25519(
    place: Place, pairs: Pairs, version: str, form: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """We verify what cosign signs and does not verify itself, with PyNaCl; without, we say so; and we do not sign."""
    program, pair = cosign(version, tmp_path), pairs[key]
    program.sign(place.ref, pair, form)
    with pytest.raises(AssertionError, match=r"failed to verify signature"):
        program.verify(place.ref, pair, form)
    assert form == place.verify(pair, form).format
    monkeypatch.setitem(sys.modules, "nacl", None)
    with pytest.raises(TrustError, match=r"unsupported: .*pip install pynacl"):
        place.verify(pair, form)
    with pytest.raises(TrustError, match=r"trust\.bad_key"):
        place.sign(pair, form)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "versions", [["cosign"], pytest.param(["cosign", "cosign2"], marks=pytest.mark.long)], ids="+".join
)
def test_all_on_one_artifact(place: Place, pairs: Pairs, versions: list[str], tmp_path: Path) -> None:
    """Nobody loses or hides what another one wrote before or after; ours go without taking others along."""
    programs, theirs, records = [cosign(version, tmp_path) for version in versions], [], list[SignatureRecord]()
    for form, program in itertools.product(FORMATS, programs):
        theirs.append((pairs[f"P-256 {program.version} {form}"], form))
        records += place.sign(pairs["P-256"], form)
        program.sign(place.ref, *theirs[-1])
    ours = [(pairs["P-256"], form) for form in FORMATS]
    for (pair, form), program in itertools.product([*theirs, *ours], programs):
        program.verify(place.ref, pair, form)
        place.verify(pair, form)
    remove(place.registry, place.repository, place.subject.digest, records)
    for pair, form in theirs:
        programs[-1].verify(place.ref, pair, form)
        place.verify(pair, form)
    for pair, form in ours:
        with pytest.raises(TrustError, match=r"trust\.no_match"):
            place.verify(pair, form)
