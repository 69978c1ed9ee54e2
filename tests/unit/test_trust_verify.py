# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.verify: evidence for what is signed as the policy demands, and for nothing else."""

import gzip
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from kubeoci import digest as digests
from kubeoci import reference
from kubeoci.digest import Digest
from kubeoci.errors import KubeociError, RegistryError, Stopped, TrustError
from kubeoci.reference import Repository
from kubeoci.registry.cache import Cache
from kubeoci.registry.layout import Layouts
from kubeoci.registry.memory import MemoryRegistry
from kubeoci.registry.protocols import Folder
from kubeoci.registry.transport import Settings
from kubeoci.trust import simplesigning
from kubeoci.trust import verify as verifying
from kubeoci.trust.evidence import Evidence, Reason, Rejected, Signer
from kubeoci.trust.policy import AllOf, AnyOf, KeyPolicy, Limits, Policy, UnsafeUnverified
from kubeoci.trust.verify import find, verify
from simulator.client import QUICK, connect
from simulator.registry import Fault, RegistrySimulator
from simulator.signatures import APP, DIGEST, KEY, OTHER, Layer, Shelf, bundle_of, legacy_of

POLICY = KeyPolicy((KEY.public,))
FOREIGN = KeyPolicy((OTHER.public,))
API = f"GET /v2/app/referrers/{DIGEST}"
FALLBACK = f"GET /v2/app/manifests/{DIGEST.replace(':', '-')}"
SIG = f"GET /v2/app/manifests/{simplesigning.tag(DIGEST)}"


@pytest.fixture(params=[False, True], ids=["tag", "api"])
def server(request: pytest.FixtureRequest) -> Iterator[RegistrySimulator]:
    """A registry that lists referrers, or does not."""
    with RegistrySimulator(referrers=request.param) as simulator:
        yield simulator


@pytest.fixture
def plain() -> Iterator[RegistrySimulator]:
    """A registry that does not list referrers."""
    with RegistrySimulator() as simulator:
        yield simulator


def app(server: RegistrySimulator) -> Repository:
    """`app` in the simulator."""
    return reference.parse(f"{server.host}/app").repository


def shelf(*, bundle: bytes = b"", legacy: Layer | None = None) -> Shelf:
    """The artifact with one signature in either format, or both."""
    made = Shelf()
    if bundle:
        made.attach(bundle)
    if legacy:
        made.tag(legacy)
    return made


def outcome(registry: MemoryRegistry, policy: Policy = POLICY, digest: Digest = DIGEST) -> str:
    """The format of the evidence, or the code of the error."""
    try:
        return verify(registry, APP, digest, policy).format
    except KubeociError as error:
        return error.code


def test_evidence_of_a_bundle() -> None:
    """Which key made it, where it lies and under which policy; the rest does not apply."""
    made = Shelf()
    manifest = made.attach(bundle_of(KEY))
    expected = Evidence(DIGEST, "cosign", "bundle", manifest, POLICY.hash, KEY.public.fingerprint)
    assert expected == verify(made.memory(), APP, DIGEST, POLICY)


def test_evidence_of_a_legacy_signature() -> None:
    """The same, with the manifest under the tag."""
    made = Shelf()
    manifest = made.tag(legacy_of(OTHER), legacy_of(KEY))
    expected = Evidence(DIGEST, "cosign", "legacy", manifest, POLICY.hash, KEY.public.fingerprint)
    assert expected == verify(made.memory(), APP, DIGEST, POLICY)


def test_what_was_found_comes_along() -> None:
    """The signature that settled it, for whoever wants to know it again."""
    layer = legacy_of(KEY)
    evidence, signature = find(shelf(legacy=layer).memory(), APP, DIGEST, POLICY)
    assert ("legacy", simplesigning.read(*layer)) == (evidence.format, signature)


def test_requests_for_a_bundle(server: RegistrySimulator, tmp_path: Path) -> None:
    """The list, its manifest, its blob; one more where the list lies under a tag. A second time the list alone."""
    made = Shelf()
    manifest = made.attach(blob := bundle_of(KEY))
    made.serve(server)
    verify(connect(tmp_path), app(server), DIGEST, POLICY)
    listing = [API] if server.referrers else [API, FALLBACK]
    content = [f"GET /v2/app/manifests/{manifest}", f"GET /v2/app/blobs/{digests.of(blob)}"]
    assert [*listing, *content] == server.requests
    server.clear()
    verify(connect(tmp_path), app(server), DIGEST, POLICY)
    assert listing == server.requests


def test_requests_for_a_legacy_signature(server: RegistrySimulator, tmp_path: Path) -> None:
    """The list that is empty, the manifest under the tag, its blob."""
    layer = legacy_of(KEY)
    shelf(legacy=layer).serve(server)
    verify(connect(tmp_path), app(server), DIGEST, POLICY)
    listing = [API] if server.referrers else [API, FALLBACK]
    assert [*listing, SIG, f"GET /v2/app/blobs/{digests.of(layer[0])}"] == server.requests


def test_requests_for_nothing(server: RegistrySimulator, tmp_path: Path) -> None:
    """Both places are asked before anybody says "unsigned"."""
    Shelf().serve(server)
    with pytest.raises(TrustError, match="no matching signatures were found for 'shop:6'") as caught:
        verify(connect(tmp_path), app(server), DIGEST, POLICY, where="shop:6")
    assert "trust.no_signature" == caught.value.code
    assert [API, *([] if server.referrers else [FALLBACK]), SIG] == server.requests


@pytest.mark.parametrize(("formats", "asked"), [(("bundle",), [API, FALLBACK]), (("legacy",), [SIG])])
def test_other_formats_are_not_asked_for(
    plain: RegistrySimulator, tmp_path: Path, formats: tuple[str, ...], asked: list[str]
) -> None:
    """A policy that takes one format knows one place."""
    Shelf().serve(plain)
    with pytest.raises(TrustError, match="no signature at all"):
        verify(connect(tmp_path), app(plain), DIGEST, KeyPolicy((KEY.public,), formats=formats))
    assert asked == plain.requests


@pytest.mark.parametrize(
    ("expected", "made"),
    [
        ("bundle", shelf(bundle=bundle_of(KEY), legacy=legacy_of(KEY))),
        ("legacy", shelf(bundle=bundle_of(OTHER), legacy=legacy_of(KEY))),
        ("bundle", shelf(bundle=bundle_of(KEY), legacy=legacy_of(OTHER))),
        ("legacy", shelf(bundle=b"no bundle", legacy=legacy_of(KEY))),
        ("trust.no_match", shelf(bundle=bundle_of(OTHER), legacy=legacy_of(OTHER))),
        ("trust.no_match", shelf(bundle=bundle_of(OTHER))),
        ("trust.no_signature", Shelf()),
    ],
)
def test_one_good_signature_is_enough(expected: str, made: Shelf) -> None:
    """In whichever format, whatever lies beside it."""
    assert expected == outcome(made.memory())


def test_second_bundle_and_second_key() -> None:
    """Every key is tried on every signature."""
    made = shelf(bundle=bundle_of(OTHER))
    made.attach(bundle_of(KEY))
    assert "bundle" == outcome(made.memory())
    assert "bundle" == outcome(made.memory(), KeyPolicy((OTHER.public, KEY.public)))


def test_each_attempt_is_told() -> None:
    """Format, manifest and reason of every signature that was tried, and the key that a bundle names."""
    made = shelf(bundle=bundle_of(OTHER), legacy=legacy_of(OTHER))
    with pytest.raises(TrustError) as caught:
        verify(made.memory(), APP, DIGEST, POLICY)
    places = [digests.of(made.referrers[0])[:19], digests.of(made.tagged)[:19]]
    key = f"it was not made with the key {KEY.public.fingerprint[:12]} (P-256)"
    told = [f"{form} {place}: signature: {key}" for form, place in zip(("bundle", "legacy"), places, strict=True)]
    told[0] += f"; it names the key {OTHER.public.fingerprint[:12]}"
    assert f"no matching signatures were found for '{APP}@{DIGEST}': {'; '.join(told)}" == caught.value.what


def test_index_is_verified_as_well() -> None:
    """A digest is a digest: nobody asks what it is of."""
    index = digests.of(b"an index")
    payload = simplesigning.payload(index, str(APP))
    registry = shelf(legacy=legacy_of(KEY, payload)).memory()
    registry.named[APP][simplesigning.tag(index)] = registry.named[APP][simplesigning.tag(DIGEST)]
    assert ("legacy", "trust.no_match") == (outcome(registry, digest=index), outcome(registry))


def test_only_sha256() -> None:
    """Signatures are about those; nothing is asked for another one."""
    other = Digest("sha512:" + "ab" * 64)
    with pytest.raises(TrustError, match="no sha256 digest") as caught:
        verify(MemoryRegistry(), APP, other, POLICY)
    assert "trust.bad_policy" == caught.value.code


BOTH = shelf(bundle=bundle_of(KEY), legacy=legacy_of(OTHER))


@pytest.mark.parametrize(
    ("expected", "policy"),
    [
        ("bundle", AnyOf((FOREIGN, POLICY))),
        ("legacy", AnyOf((FOREIGN,))),
        ("bundle", AllOf((POLICY, FOREIGN))),
        ("legacy", AllOf((FOREIGN, POLICY))),
        ("bundle", AllOf((POLICY, POLICY))),
        ("bundle", AnyOf((AllOf((POLICY, FOREIGN)), POLICY))),
        ("trust.no_match", AllOf((POLICY, KeyPolicy((KEY.public,), formats=("legacy",))))),
        ("trust.no_match", AnyOf((KeyPolicy((KEY.public,), formats=("legacy",)),))),
        ("trust.no_match", AllOf((AnyOf((POLICY, FOREIGN)), KeyPolicy((KEY.public,), reference="x")))),
    ],
)
def test_composed_policies(expected: str, policy: Policy) -> None:
    """One part is enough for `AnyOf`; `AllOf` needs each, be it by different signatures."""
    assert expected == outcome(BOTH.memory(), policy)


def test_composed_policies_search_once(plain: RegistrySimulator, tmp_path: Path) -> None:
    """All parts are held against the same candidates; the evidence is for the policy as a whole."""
    BOTH.serve(plain)
    policy = AllOf((POLICY, AnyOf((FOREIGN, POLICY)), FOREIGN))
    assert policy.hash == verify(connect(tmp_path), app(plain), DIGEST, policy).policy_hash
    content = [
        f"GET /v2/app/manifests/{digests.of(BOTH.referrers[0])}",
        f"GET /v2/app/blobs/{digests.of(BOTH.blobs[1])}",
    ]
    assert [API, FALLBACK, *content, SIG, f"GET /v2/app/blobs/{digests.of(BOTH.blobs[2])}"] == plain.requests


def test_unverified_asks_nobody(plain: RegistrySimulator, tmp_path: Path) -> None:
    """And its evidence says so."""
    found = verify(connect(tmp_path), app(plain), DIGEST, UnsafeUnverified())
    assert ("unverified", []) == (found.provider, plain.requests)
    assert {"digest", "provider", "policy_hash"} == found.document().keys()


STEPS = ["GET /v2/app/referrers", FALLBACK, "GET /v2/app/manifests/sha256:", "GET /v2/app/blobs", SIG]


@pytest.mark.parametrize("fault", [Fault(status=401), Fault(status=403), Fault(status=500), Fault(drop=True)], ids=str)
@pytest.mark.parametrize("step", STEPS)
def test_registry_that_cannot_be_asked(plain: RegistrySimulator, tmp_path: Path, step: str, fault: Fault) -> None:
    """Whichever request fails: that is never "unsigned", and no later signature makes up for it."""
    shelf(bundle=bundle_of(OTHER), legacy=legacy_of(KEY)).serve(plain)
    plain.fail(step, fault, times=9)
    with pytest.raises(TrustError, match="could not be read") as caught:
        verify(connect(tmp_path), app(plain), DIGEST, POLICY)
    assert "trust.unavailable" == caught.value.code


@pytest.mark.parametrize("step", STEPS)
def test_registry_that_is_silent(plain: RegistrySimulator, tmp_path: Path, step: str) -> None:
    """The time limits of the registry are those of the verification."""
    shelf(bundle=bundle_of(OTHER), legacy=legacy_of(KEY)).serve(plain)
    plain.fail(step, Fault(delay=60), times=9)
    impatient = Settings(limits=replace(QUICK, idle_seconds=0.05, tries=1))
    with pytest.raises(TrustError, match="did not answer in time") as caught:
        verify(connect(tmp_path, impatient), app(plain), DIGEST, POLICY)
    assert "trust.unavailable" == caught.value.code


LIES = {
    "gzip": Fault(headers={"Content-Encoding": "gzip"}, body=gzip.compress(b"{}")),
    "longer": Fault(headers={"Content-Length": "1000000"}),
    "cut": Fault(cut=10),
    "elsewhere": Fault(status=307, headers={"Location": "ftp://elsewhere.test/x"}),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("lie", LIES)
def test_registry_that_lies(tmp_path: Path, step: str, lie: str) -> None:
    """About the form of an answer: an error of the registry, and never "unsigned" or "by somebody else"."""
    with RegistrySimulator(referrers="referrers" in step) as server:
        shelf(bundle=bundle_of(OTHER), legacy=legacy_of(KEY)).serve(server)
        server.fail(step, LIES[lie], times=9)
        impatient = Settings(limits=replace(QUICK, idle_seconds=0.1, tries=1))
        with pytest.raises(KubeociError) as caught:
            verify(connect(tmp_path, impatient), app(server), DIGEST, POLICY)
    assert caught.value.code in {"trust.unavailable", "registry.digest_mismatch", "registry.unsafe_redirect"}


@pytest.mark.parametrize("step", ["GET /v2/app/manifests/sha256:", "GET /v2/app/blobs"])
def test_listed_and_not_there(plain: RegistrySimulator, tmp_path: Path, step: str) -> None:
    """A reason against one candidate; the next one is looked at."""
    shelf(bundle=bundle_of(KEY), legacy=legacy_of(KEY)).serve(plain)
    plain.fail(step, Fault(status=404))
    assert "legacy" == verify(connect(tmp_path), app(plain), DIGEST, POLICY).format


@pytest.mark.parametrize("step", ["GET /v2/app/manifests/sha256:", "GET /v2/app/blobs"])
@pytest.mark.parametrize("fault", [Fault(body=b"other"), Fault(body=b"{}" * 1_000_000)], ids=["other", "large"])
def test_registry_that_sends_other_bytes(plain: RegistrySimulator, tmp_path: Path, step: str, fault: Fault) -> None:
    """That is the registry's own error, and the end: who lies about one thing is asked nothing more."""
    shelf(bundle=bundle_of(KEY), legacy=legacy_of(KEY)).serve(plain)
    plain.fail(step, fault, times=9)
    with pytest.raises(RegistryError):
        verify(connect(tmp_path), app(plain), DIGEST, POLICY)
    assert SIG not in plain.requests


def test_end_of_the_operation_passes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline or the user's wish is no reason against a signature."""
    registry = shelf(bundle=bundle_of(KEY)).memory()

    def stop(*_: object) -> bytes:
        raise Stopped("stopped.cancelled", "enough")

    monkeypatch.setattr(registry, "manifest", stop)
    with pytest.raises(Stopped):
        verify(registry, APP, DIGEST, POLICY)


@pytest.mark.parametrize("error", [ValueError("x"), RecursionError(), TrustError("trust.bad_key", "x"), TypeError()])
def test_whatever_breaks_the_judge_is_a_reason(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Never a pass, never a crash; the text of a stranger's exception is not repeated."""
    tried: list[object] = []

    def judge(*arguments: object) -> Signer:
        tried.append(arguments)
        raise error

    monkeypatch.setattr(verifying, "judge", judge)
    with pytest.raises(TrustError, match=rf"malformed: it cannot be judged \({type(error).__name__}\)") as caught:
        verify(BOTH.memory(), APP, DIGEST, POLICY)
    assert ("trust.no_match", 2) == (caught.value.code, len(tried))


def test_what_was_not_looked_at_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that was met, be it by one candidate of many, is another answer than "by somebody else"."""

    def judge(*_: object) -> Signer:
        raise Rejected(Reason.LIMIT, "it is long")

    monkeypatch.setattr(verifying, "judge", judge)
    with pytest.raises(TrustError, match="limit: it is long") as caught:
        verify(BOTH.memory(), APP, DIGEST, AnyOf((POLICY, FOREIGN)))
    assert ("trust.limit", 2) == (caught.value.code, caught.value.what.count("it is long"))


def test_lowest_limits_count() -> None:
    """Parts with different limits are held against the same candidates."""
    made = shelf(bundle=bundle_of(OTHER))
    made.attach(bundle_of(KEY))
    low = KeyPolicy((OTHER.public,), reference="x", limits=Limits(max_candidates=1))
    assert ("bundle", "trust.limit") == (outcome(made.memory()), outcome(made.memory(), AnyOf((low, POLICY))))


def test_layout_is_searched_as_well(tmp_path: Path) -> None:
    """A folder satisfies the role as a registry does."""
    place, layouts = Folder(str(tmp_path / "layout")), Layouts(Cache(tmp_path))
    for made in (shelf(legacy=legacy_of(KEY)), shelf(bundle=bundle_of(KEY))):
        made.store(layouts, place)
    assert "bundle" == verify(layouts, place, DIGEST, POLICY).format
    assert "legacy" == verify(layouts, place, DIGEST, KeyPolicy((KEY.public,), formats=("legacy",))).format


def test_threads() -> None:
    """Eight at once see what one sees."""
    registries = [shelf(bundle=bundle_of(key), legacy=legacy_of(key)).memory() for key in (KEY, OTHER)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(outcome, registries * 100))
    assert ["bundle", "trust.no_match"] * 100 == found


def test_keys_never_load_sigstore() -> None:
    """A process that verifies with a key has no need of it."""
    program = """
        import sys
        from simulator.signatures import APP, DIGEST, KEY, Shelf, bundle_of, legacy_of
        from kubeoci.trust.policy import KeyPolicy
        from kubeoci.trust.verify import verify
        shelf = Shelf()
        shelf.attach(bundle_of(KEY))
        assert "bundle" == verify(shelf.memory(), APP, DIGEST, KeyPolicy((KEY.public,))).format
        print(sorted({"sigstore", "tuf", "pydantic"} & sys.modules.keys()))
    """
    path = {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    command = [sys.executable, "-c", dedent(program)]
    assert "[]\n" == subprocess.run(command, env=path, capture_output=True, text=True, check=True).stdout
