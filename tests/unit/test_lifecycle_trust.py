# SPDX-License-Identifier: Apache-2.0
"""`sign` and `verify` through the lifecycle, against a registry and an API server in memory."""

import base64
import contextlib
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubeoci.errors import Stopped, TrustError
from kubeoci.lifecycle import artifact, command, repository
from kubeoci.lifecycle.contract import Call, Checked, Kind, Stored
from kubeoci.lifecycle.session import Session
from kubeoci.lifecycle.values import UNKNOWN, Secret
from kubeoci.plugin import schema
from kubeoci.registry.referrers import fallback_tag
from kubeoci.trust import keys, refresh
from simulator.cluster import ClusterSimulator
from simulator.registry import RegistrySimulator
from simulator.shop import FLAGS, FLAGS_PATH, NAMESPACE
from simulator.sigstore_ca import GITHUB
from simulator.sigstore_http import Services
from simulator.world import World

PAIR, OTHER = keys.generate("pw"), keys.generate("pw")
PRINT, OTHER_PRINT = (keys.public_key(pair.public, "").fingerprint for pair in (PAIR, OTHER))
SIGN: dict[str, Any] = {"key": Secret(PAIR.private), "password": Secret("pw")}
VERIFY: dict[str, Any] = {"keys": [PAIR.public]}


class Shop(World):
    """With a repository `app` whose artifacts must be signed by `PAIR`."""

    def plan(self, *documents: str, **extra: object) -> dict[str, Any]:
        """The checked inputs of an OCIArtifact of these documents under the tag `dev`."""
        for number, text in enumerate(documents):
            (self.folder / f"{number}.yaml").write_text(text)
        program = {"url": f"{self.registry.host}/app", "path": str(self.folder), "tags": ["dev"], **extra}
        checked = artifact.check(self.call(), {}, program)
        assert () == checked.failures
        return checked.inputs

    def push(self, *documents: str, **extra: object) -> Stored:
        """The OCIArtifact, pushed."""
        return artifact.create(self.call(), self.plan(*documents, **extra))

    def check(self, **extra: object) -> Checked:
        """An OCIRepository of the tag `dev` that must be signed by `PAIR`."""
        own = {"inventoryName": "app", "ref": {"tag": "dev"}, "cluster": {"kubeconfig": self.cluster.kubeconfig}}
        program = {"url": f"{self.registry.host}/app", "verify": VERIFY, **own, **extra}
        return repository.check(self.call(), {}, program)

    def keep(self, **texts: str) -> None:
        """Store a Secret `keys` with these texts."""
        data = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
        meta = {"name": "keys", "namespace": "default"}
        self.cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data})


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """An empty registry and cluster, below a `pulumi` command."""
    monkeypatch.setenv("KUBEOCI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(command, "ident", lambda: "7-42")
    monkeypatch.delenv("COSIGN_PASSWORD", raising=False)
    (tmp_path / "deploy").mkdir()
    with RegistrySimulator() as registry, ClusterSimulator() as cluster:
        yield Shop(registry, cluster, tmp_path / "deploy")


def test_tag_names_nothing_before_it_is_signed(world: Shop) -> None:
    """The manifest goes by digest, then its signature, and the tag last."""
    stored = world.push(FLAGS, sign=SIGN)
    puts = [request for request in world.registry.requests if request.startswith("PUT /v2/app/manifests")]
    signature = stored.outputs["signatures"][0]
    assert [
        f"PUT /v2/app/manifests/{stored.outputs['digest']}",
        f"PUT /v2/app/manifests/{signature['manifest']}",
    ] == puts[:2]
    assert "PUT /v2/app/manifests/dev" == puts[-1]
    assert ("bundle", PRINT) == (signature["format"], signature["keyFingerprint"])
    assert set(signature) <= schema.TYPES["Signature"][1].keys()


def test_recorded_signature_is_not_made_again(world: Shop) -> None:
    """What is pushed and signed costs one request."""
    facts = world.plan(FLAGS, sign=SIGN)
    stored = artifact.create(world.call(), facts)
    world.registry.requests.clear()
    again = artifact.update(world.call(), stored.id, stored.outputs, facts)
    assert ["HEAD /v2/app/manifests/dev"] == world.registry.requests
    assert stored.outputs["signatures"] == again.outputs["signatures"]


class Interruption(threading.Event):
    """The end of a process as soon as the registry has got so many requests."""

    def __init__(self, registry: RegistrySimulator, count: int) -> None:
        super().__init__()
        self._registry, self._count = registry, count

    def is_set(self) -> bool:
        """Whether that is so."""
        return len(self._registry.requests) >= self._count

    def wait(self, timeout: float | None = None) -> bool:
        """Until it is so, or for some seconds."""
        return self.is_set() or super().wait(timeout)


@pytest.mark.parametrize("count", range(22))
def test_signed_push_ends_at_any_request(world: Shop, count: int) -> None:
    """The tag names the old artifact until the new one is signed; the next push completes, and signs once."""
    old = world.push(FLAGS, sign=SIGN)
    facts = world.plan(FLAGS.replace("red", "blue"), sign=SIGN)
    world.registry.requests.clear()
    with contextlib.suppress(Stopped, TrustError):
        artifact.update(Call(Session(stop=Interruption(world.registry, count))), old.id, old.outputs, facts)
    if "PUT /v2/app/manifests/dev" not in world.registry.requests:
        assert old.outputs["digest"] == world.registry.tags["app"]["dev"]
    artifact.update(world.call(), old.id, old.outputs, facts)
    assert facts["digest"] == world.registry.tags["app"]["dev"]
    index = json.loads(world.registry.manifests["app"][world.registry.tags["app"][fallback_tag(facts["digest"])]][1])
    assert 1 == len(index["manifests"])


def test_key_added_later_signs_what_is_there(world: Shop) -> None:
    """No blob is sent again, no tag moves."""
    unsigned = world.push(FLAGS)
    facts = world.plan(FLAGS, sign=SIGN)
    tags = dict(world.registry.tags["app"])
    stored = artifact.update(world.call(), unsigned.id, unsigned.outputs, facts)
    assert PRINT == stored.outputs["signatures"][0]["keyFingerprint"]
    assert tags["dev"] == world.registry.tags["app"]["dev"] == unsigned.outputs["digest"]


def test_password_is_read_in_check(world: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong one fails the preview; COSIGN_PASSWORD stands in for a missing one; nothing secret is told."""
    program = {"url": f"{world.registry.host}/app", "path": str(world.folder), "sign": {"key": PAIR.private}}
    (world.folder / "a.yaml").write_text(FLAGS)
    failures = artifact.check(world.call(), {}, program).failures
    assert [
        "sign.key: it is encrypted, and no password is given; set `password` or COSIGN_PASSWORD (trust.bad_key)"
    ] == [*failures]
    monkeypatch.setenv("COSIGN_PASSWORD", "wrong-horse")
    failures = artifact.check(world.call(), {}, program).failures
    assert "trust.bad_key" in failures[0]
    assert "wrong-horse" not in failures[0]
    monkeypatch.setenv("COSIGN_PASSWORD", "pw")
    assert () == artifact.check(world.call(), {}, program).failures


def test_new_token_or_password_is_no_difference() -> None:
    """A pipeline has a new token each time."""
    first, second = ({"sign": {"keyless": True, "identityToken": Secret(text)}} for text in "ab")
    assert {} == artifact.diff(first, second).entries
    assert {("sign", "keyless"): Kind.DELETE} == artifact.diff(first, {"sign": {"identityToken": "b"}}).entries


def test_evidence_is_a_fact(world: Shop) -> None:
    """Who signed is known in the preview, and stays in the outputs."""
    digest = world.push(NAMESPACE, FLAGS, sign=SIGN).outputs["digest"]
    checked = world.check()
    assert () == checked.failures
    assert (digest, PRINT, "cosign", "bundle") == (
        checked.inputs["digest"],
        *(checked.inputs["verified"][name] for name in ("keyFingerprint", "provider", "format")),
    )
    stored = repository.create(world.call(), checked.inputs)
    assert checked.inputs["verified"] == stored.outputs["verified"]
    assert any(f"signed by key {PRINT[:8]}…" in line for line in world.told)


def test_unsigned_artifact_fails_the_check(world: Shop) -> None:
    """Nothing is known of it, and the cluster is not asked."""
    world.push(FLAGS)
    assert "trust.no_signature" in world.check().failures[0]
    assert [] == world.cluster.requests


def test_other_key_is_named_beside_the_wanted_one(world: Shop) -> None:
    """Both fingerprints are told, so that one can see which of the two is wrong."""
    world.push(FLAGS, sign={"key": OTHER.private, "password": "pw"})
    failure = world.check().failures[0]
    assert "trust.no_match" in failure
    assert [True, True] == [text[:12] in failure for text in (PRINT, OTHER_PRINT)]


def test_what_this_program_will_sign_is_pending(world: Shop) -> None:
    """A preview shows the objects of an artifact that is not pushed yet, and puts the verification off."""
    digest = world.plan(FLAGS, sign=SIGN)["digest"]
    checked = world.check(ref={"digest": digest})
    assert () == checked.failures
    assert (digest, UNKNOWN) == (checked.inputs["digest"], checked.inputs["verified"])
    assert "ConfigMap/shop/flags" in checked.inputs["objects"]
    assert any("not signed yet" in line for line in world.told)


@pytest.mark.parametrize("sign", [None, {"key": OTHER.private, "password": "pw"}])
def test_what_this_program_will_not_sign_so_fails(world: Shop, sign: object) -> None:
    """The preview knows that the update could not hold."""
    digest = world.plan(FLAGS, **({"sign": sign} if sign else {}))["digest"]
    assert "trust.no_signature" in world.check(ref={"digest": digest}).failures[0]


def test_what_is_pending_twice_fails(world: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The update finds what the preview was promised, or stops."""
    digest = world.plan(FLAGS, sign=SIGN)["digest"]
    world.check(ref={"digest": digest})
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert "trust.no_signature" in world.check(ref={"digest": digest}).failures[0]


def test_apply_verifies_what_check_put_off(world: Shop) -> None:
    """What is pending is no evidence: nothing of it is applied."""
    digest = world.plan(FLAGS, sign=SIGN)["digest"]
    facts = world.check(ref={"digest": digest}).inputs
    with pytest.raises(TrustError, match="no_signature"):
        repository.create(world.call(), facts)
    assert [] == world.cluster.writes()


def test_tag_that_moves_after_the_preview_changes_nothing(world: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The update applies the signed artifact of its preview; the next command refuses the unsigned one."""
    signed = world.push(NAMESPACE, FLAGS, sign=SIGN).outputs["digest"]
    world.check()
    world.push(NAMESPACE, FLAGS.replace("red", "blue"))
    stored = repository.create(world.call(), world.check().inputs)
    assert (signed, "red") == (stored.outputs["digest"], world.cluster.at(FLAGS_PATH)["data"]["color"])
    monkeypatch.setattr(command, "ident", lambda: "8-43")
    assert "trust.no_signature" in world.check().failures[0]


def test_keys_of_a_secret(world: Shop) -> None:
    """Each text under a name that ends with `.pub` is a key; other names are passed over."""
    world.push(FLAGS, sign=SIGN)
    world.keep(**{"a.pub": OTHER.public, "b.pub": PAIR.public, "notes": "x"})
    checked = world.check(verify={"provider": "cosign", "secretRef": {"name": "keys"}})
    assert () == checked.failures
    assert PRINT == checked.inputs["verified"]["keyFingerprint"]


@pytest.mark.parametrize(
    ("texts", "code"),
    [({"cosign.key": "x"}, "trust.bad_policy"), ({"a.pub": PAIR.public, "b.pub": "x"}, "trust.bad_key")],
)
def test_secret_without_usable_keys(world: Shop, texts: dict[str, str], code: str) -> None:
    """No key, or one bad key among good ones; it is named."""
    world.push(FLAGS, sign=SIGN)
    world.keep(**texts)
    failure = world.check(verify={"provider": "cosign", "secretRef": {"name": "keys"}}).failures[0]
    assert code in failure
    assert "Secret default/keys" in failure


def test_secret_that_is_not_there_yet(world: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the preview everything is unknown and said to be pending; in the update it is an error."""
    world.push(FLAGS, sign=SIGN)
    verify = {"provider": "cosign", "secretRef": {"name": "keys"}}
    facts = world.check(verify=verify).inputs
    assert {UNKNOWN} == {facts[name] for name in repository.FACTS}
    assert any("pending: verify.secretRef: there is no Secret default/keys" in line for line in world.told)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert "there is no Secret default/keys" in world.check(verify=verify).failures[0]


def test_secret_of_an_unknown_cluster_is_pending(world: Shop) -> None:
    """A cluster that is made in the same `up` keeps no Secret yet."""
    world.push(FLAGS, sign=SIGN)
    facts = world.check(verify={"provider": "cosign", "secretRef": {"name": "keys"}}, cluster=UNKNOWN)
    assert ((), UNKNOWN) == (facts.failures, facts.inputs["verified"])


def test_removed_verify_is_a_difference(world: Shop) -> None:
    """Whoever takes the gate away sees it in the preview, with the evidence that goes."""
    world.push(FLAGS, sign=SIGN)
    old, new = world.check().inputs, world.check(verify=None).inputs
    assert {("verify",): Kind.DELETE, ("verified",): Kind.DELETE} == repository.diff(old, new).entries


def test_destroy_removes_signatures(world: Shop) -> None:
    """With `onDelete: delete` nothing of ours is left in the registry; in the fallback index neither."""
    stored = world.push(FLAGS, sign=SIGN, onDelete="delete")
    artifact.delete(world.call(), stored.id, stored.outputs)
    digests = {stored.outputs["digest"], stored.outputs["signatures"][0]["manifest"]}
    assert set() == digests & set(world.registry.manifests["app"])


def test_refresh_finds_a_lost_signature(world: Shop) -> None:
    """Then `sign` is missing from the live inputs, so the next update signs again."""
    facts = world.plan(FLAGS, sign=SIGN)
    stored = artifact.create(world.call(), facts)
    live = artifact.read(world.call(), stored.id, stored.outputs, facts)
    assert live
    assert stored.outputs["signatures"] == live.outputs["signatures"]
    del world.registry.manifests["app"][stored.outputs["signatures"][0]["manifest"]]
    live = artifact.read(world.call(), stored.id, stored.outputs, facts)
    assert live
    assert ([], None) == (live.outputs["signatures"], live.inputs.get("sign"))


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """A Sigstore on this machine, and Ann's token in the environment."""
    with Services() as services:
        monkeypatch.setenv("SIGSTORE_ID_TOKEN", services.token("ann@example.com"))
        yield services


def keyless(services: Services) -> tuple[dict[str, Any], dict[str, Any]]:
    """`sign` and `verify` of Ann."""
    config = json.loads(services.trust_config(version=1, stamps=False))
    root, signing = json.dumps(config["trustedRoot"]), json.dumps(config["signingConfig"])
    sign = {"keyless": True, "trustedRoot": root, "signingConfig": signing}
    identity = {"issuer": re.escape(GITHUB), "subject": "ann@example[.]com"}
    return sign, {"matchOIDCIdentity": [identity], "trustedRoot": root}


def test_keyless_signature_is_evidence(world: Shop, services: Services) -> None:
    """Nobody is asked for a certificate in a preview; then identity and issuer are in the evidence."""
    sign, verify = keyless(services)
    digest = world.plan(FLAGS, sign=sign)["digest"]
    assert UNKNOWN is world.check(ref={"digest": digest}, verify=verify).inputs["verified"]
    assert [] == services.requests
    stored = world.push(FLAGS, sign=sign)
    assert "ann@example.com" == stored.outputs["signatures"][0]["identity"]
    verified = world.check(verify=verify).inputs["verified"]
    assert ("cosign-keyless", "ann@example.com") == (verified["provider"], verified["identity"])
    services.requests.clear()
    artifact.update(world.call(), stored.id, stored.outputs, world.plan(FLAGS, sign=sign))
    assert [] == services.requests


def test_other_identity_is_told(world: Shop, services: Services) -> None:
    """As a pattern that matches a part only is."""
    sign, verify = keyless(services)
    world.push(FLAGS, sign=sign)
    verify["matchOIDCIdentity"][0]["subject"] = "ann@example"
    failure = world.check(verify=verify).failures[0]
    assert "trust.no_match" in failure
    assert "matches a part only" in failure


def test_key_becomes_keyless(world: Shop, services: Services) -> None:
    """The signature of the key is not taken for Ann's."""
    sign, verify = keyless(services)
    by_key = world.push(FLAGS, sign=SIGN)
    facts = world.plan(FLAGS, sign=sign)
    stored = artifact.update(world.call(), by_key.id, by_key.outputs, facts)
    assert ["ann@example.com"] == [each["identity"] for each in stored.outputs["signatures"]]
    assert () == world.check(verify=verify).failures
    assert () == world.check().failures


def test_public_sigstore_is_the_default(world: Shop, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root and configuration come from where it publishes them; here is a copy of what that would be."""
    sign, verify = keyless(services)
    targets = {refresh.TRUSTED_ROOT: sign.pop("trustedRoot"), refresh.SIGNING_CONFIG: sign.pop("signingConfig")}
    monkeypatch.setattr(refresh, "published", lambda *_: refresh.Published("https://tuf.example.com", targets))
    del verify["trustedRoot"]
    world.push(FLAGS, sign=sign)
    checked = world.check(verify=verify)
    assert () == checked.failures
    assert "https://tuf.example.com" == checked.inputs["verified"]["trustRoot"]


POLICIES: dict[str, tuple[dict[str, Any], str]] = {
    "notation": ({"provider": "notation", "keys": [PAIR.public]}, "verify.provider: notation is not in this release"),
    "unknown provider": ({"provider": "gpg", "keys": [PAIR.public]}, "verify.provider: 'gpg' is not possible here"),
    "unknown key": ({"provider": "cosign", "key": PAIR.public}, "verify.key: there is no such property"),
    "nobody": ({"provider": "cosign"}, "verify: names neither keys nor identities"),
    "both": (
        {"provider": "cosign", "keys": [PAIR.public], "secretRef": {"name": "keys"}},
        "verify: names keys and secretRef",
    ),
    "no keys": ({"provider": "cosign", "keys": []}, "verify.keys: is empty"),
    "no identities": ({"provider": "cosign", "matchOIDCIdentity": []}, "verify.matchOIDCIdentity: is empty"),
    "half an identity": (
        {"provider": "cosign", "matchOIDCIdentity": [{"issuer": "https://a"}]},
        "verify.matchOIDCIdentity[0].subject: is missing",
    ),
    "bad pattern": (
        {"provider": "cosign", "matchOIDCIdentity": [{"issuer": "(a", "subject": "b"}]},
        "verify.matchOIDCIdentity[0]: ",
    ),
    "bad key": ({"provider": "cosign", "keys": [PAIR.public, "PEM"]}, "verify.keys[1]: "),
    "private key": ({"provider": "cosign", "keys": [PAIR.private]}, "verify.keys[0]: "),
    "root without log": (
        {"provider": "cosign", "keys": [PAIR.public], "trustedRoot": "{}"},
        "verify.trustedRoot: has no effect on keys without requireTlog",
    ),
    "two roots": (
        {**VERIFY, "requireTlog": True, "trustedRoot": "{}", "trustedRootSecretRef": {"name": "root"}},
        "verify.trustedRoot: trustedRootSecretRef is given as well",
    ),
    "secret root without log": (
        {**VERIFY, "trustedRootSecretRef": {"name": "root"}},
        "verify.trustedRootSecretRef: has no effect on keys without requireTlog",
    ),
    "bad root": (
        {"provider": "cosign", "keys": [PAIR.public], "requireTlog": True, "trustedRoot": "{}"},
        "verify.trustedRoot: ",
    ),
    "log of identities": (
        {"provider": "cosign", "matchOIDCIdentity": [{"issuer": "a", "subject": "b"}], "requireTlog": True},
        "verify.requireTlog: has no effect",
    ),
    "no format": ({**VERIFY, "formats": []}, "verify: "),
    "unknown format": ({**VERIFY, "formats": ["jws"]}, "verify: "),
    "no predicate": ({**VERIFY, "predicates": []}, "verify: "),
}


@pytest.mark.parametrize("case", POLICIES)
def test_policy_that_says_nothing_or_something_else(world: Shop, case: str) -> None:
    """It is refused before any signature is asked for."""
    world.push(FLAGS)
    verify, message = POLICIES[case]
    assert world.check(verify=verify).failures[0].startswith(message)
    assert [] == [request for request in world.registry.requests if "referrers" in request]


SIGNS: dict[str, tuple[dict[str, Any], str]] = {
    "nobody": ({}, "sign: names no key and is not keyless"),
    "both": ({"key": PAIR.private, "password": "pw", "keyless": True}, "sign: names a key and is keyless"),
    "unknown": ({"pem": "x"}, "sign.pem: there is no such property"),
    "token beside a key": ({**SIGN, "identityToken": "x"}, "sign.identityToken: has no effect here"),
    "password of nobody": ({"keyless": True, "password": "x"}, "sign.password: has no effect here"),
    "half a configuration": (
        {"keyless": True, "trustedRoot": "{}"},
        "sign: has only one of trustedRoot and signingConfig",
    ),
    "bad root": ({"keyless": True, "trustedRoot": "{}", "signingConfig": "{}"}, "sign: "),
    "formats": ({**SIGN, "formats": ["bundle", "bundle"]}, "sign.formats: must name bundle, legacy or both"),
    "public key": ({"key": PAIR.public}, "sign.key: "),
    "wrong password": ({"key": PAIR.private, "password": "no"}, "sign.key: "),
}


@pytest.mark.parametrize("case", SIGNS)
def test_signer_that_cannot_sign(world: Shop, case: str) -> None:
    """It is refused in the preview."""
    sign, message = SIGNS[case]
    (world.folder / "a.yaml").write_text(FLAGS)
    program = {"url": f"{world.registry.host}/app", "path": str(world.folder), "sign": sign}
    failures = artifact.check(world.call(), {}, program).failures
    assert failures[0].startswith(message)
    assert [] == world.registry.requests
