# SPDX-License-Identifier: Apache-2.0
"""cosign verifies what we sign and we verify what it signs: versions 2 and 3, both formats, all keys."""

import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from e2e.cosigning import PASSWORD, VERSIONS, Pair, Pairs, Place, cosign, made
from e2e.others import KINDS as ALL_KINDS
from e2e.others import Services, had, services
from kubeoci.errors import TrustError
from kubeoci.trust import keys
from kubeoci.trust.policy import FORMATS
from kubeoci.trust.remove import remove
from kubeoci.trust.sign import SignatureRecord

KINDS = ("plain", "referrers")
QUICK = {
    ("cosign", "bundle", "plain", "P-256"),
    ("cosign", "legacy", "plain", "P-256"),
    ("cosign", "bundle", "referrers", "P-256"),
}


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
    return made(had(lambda: everywhere[kind]), request.node.name, tmp_path)


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


@pytest.mark.long
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_every_registry(place: Place, pairs: Pairs) -> None:
    """Ours are written, found and removed wherever we may write, with passwords, tokens and a private authority."""
    pair = pairs["P-256"]
    records = [record for form in FORMATS for record in place.sign(pair, form)]
    assert [*FORMATS] == [place.verify(pair, form).format for form in FORMATS]
    remove(place.registry, place.repository, place.subject.digest, records)
    for form in FORMATS:
        with pytest.raises(TrustError, match=r"trust\.no_signature"):
            place.verify(pair, form)
