# SPDX-License-Identifier: Apache-2.0
"""Without keys: cosign verifies what we sign and we verify what it signs, at a Sigstore on this machine.

The services are simulated; cosign checks what they give with Sigstore's own code, so these tests hold the simulation
to it as well.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from e2e.cosigning import Cosign, Pairs, Place, cosign, flags, made
from e2e.others import Services as Registries
from e2e.others import had, services
from kubeoci.errors import TrustError
from kubeoci.trust import authorities, roots, tokens
from kubeoci.trust.evidence import Evidence
from kubeoci.trust.keyless_signer import KeylessSigner
from kubeoci.trust.matching import IdentityMatch
from kubeoci.trust.policy import KeylessPolicy
from kubeoci.trust.services import TrustConfig
from kubeoci.trust.sign import sign
from kubeoci.trust.verify import verify
from simulator.sigstore_ca import GITHUB, pem
from simulator.sigstore_http import Services

WORKFLOW = "https://github.com/org/app/.github/workflows/release.yml@refs/heads/main"
_ENVIRONMENT = {
    "SIGSTORE_ROOT_FILE": "ca.pem",
    "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE": "ct.pub",
    "SIGSTORE_REKOR_PUBLIC_KEY": "rekor.pub",
}  # where cosign 3 looks for keys in the legacy format


@dataclass(frozen=True, slots=True)
class Workflow:
    """Who signs: a workflow with a token for services whose log is of one version. cosign's files lie in `folder`."""

    services: Services
    config: dict[str, object]
    stamps: bool
    folder: Path

    @property
    def root(self) -> roots.TrustedRoot:
        """Whom a verifier trusts."""
        return roots.read(json.dumps(self.config["trustedRoot"]), source="test", is_users=True)

    def sign(self, place: Place, form: str) -> None:
        """Sign with our code."""
        services = authorities.read(json.dumps(self.config["signingConfig"]), source="test", is_users=True)
        token, trust = tokens.read(self.services.token(WORKFLOW), "test"), TrustConfig(self.root, services)
        sign(
            place.registry, place.repository, place.subject, KeylessSigner(lambda: token, lambda: trust), formats=[form]
        )

    def verify(self, place: Place, form: str, subject: str = WORKFLOW) -> Evidence:
        """Verify with our code."""
        policy = KeylessPolicy((IdentityMatch(issuer=GITHUB, subject=subject),), self.root, formats=(form,))
        return verify(place.registry, place.repository, place.subject.digest, policy)

    def cosign_signs(self, program: Cosign, place: Place, form: str, *key: str) -> None:
        """Sign with cosign 3: as the workflow, or with a key, into the log either way."""
        if form == "bundle":
            services = [f"--signing-config={self.folder}/config.json", f"--trusted-root={self.folder}/root.json"]
        else:
            url = self.services.url
            services = ["--use-signing-config=false", f"--fulcio-url={url}", f"--rekor-url={url}"]
        signer = key or [f"--identity-token={self.folder}/token"]
        environment = {name: f"{self.folder}/{file}" for name, file in _ENVIRONMENT.items()}
        program.run("sign", "--yes", *signer, *services, *flags(form, {}), place.ref, environment=environment)

    def cosign_verifies(self, program: Cosign, place: Place, form: str, subject: str = WORKFLOW) -> None:
        """Verify with cosign; AssertionError when it does not hold."""
        signer = [f"--certificate-identity={subject}", f"--certificate-oidc-issuer={GITHUB}"]
        if program.version == 2 and self.stamps:
            signer.append("--use-signed-timestamps")  # else it wants the log's word, and version 2 gives none
        program.run("verify", *signer, f"--trusted-root={self.folder}/root.json", *flags(form, {}), place.ref)


@pytest.fixture
def workflow(tmp_path: Path, version: int, stamps: bool) -> Iterator[Workflow]:
    """A Sigstore on this machine, and the files that cosign reads of it."""
    with Services() as services:
        for log in (services.sigstore.log, services.sigstore.log_v2):
            log.add(b"an entry of somebody else", services.sigstore.time)  # cosign leaves out a number that is 0
        config, sigstore = json.loads(services.trust_config(version=version, stamps=stamps)), services.sigstore
        chain = b"".join(each.public_bytes(Encoding.PEM) for each in sigstore.authority.chain)
        files = {"ca.pem": chain, "ct.pub": pem(sigstore.authority.ct.key.public_key())}
        files |= {"rekor.pub": pem(sigstore.log.key.public_key()), "token": services.token(WORKFLOW).encode()}
        files |= {"root.json": json.dumps(config["trustedRoot"]).encode()}
        files |= {"config.json": json.dumps(config["signingConfig"]).encode()}
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        yield Workflow(services, config, stamps, tmp_path)


@pytest.fixture(scope="module")
def everywhere() -> Iterator[Registries]:
    """Registries by kind."""
    with services() as started:
        yield started


@pytest.fixture
def place(everywhere: Registries, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    """A new artifact."""
    return made(had(lambda: everywhere["plain"]), request.node.name, tmp_path)


ways = pytest.mark.parametrize(
    ("form", "version", "stamps"),
    [("bundle", 1, False), ("bundle", 1, True), ("bundle", 2, True), ("legacy", 1, False)],
    ids=["log 1", "log 1 with stamps", "log 2 with stamps", "legacy"],
)


@ways
@pytest.mark.parametrize("program", ["cosign", pytest.param("cosign2", marks=pytest.mark.long)])
def test_cosign_verifies_ours(workflow: Workflow, place: Place, form: str, program: str, tmp_path: Path) -> None:
    """What we sign holds for every cosign, for this identity alone."""
    workflow.sign(place, form)
    real = cosign(program, tmp_path)
    workflow.cosign_verifies(real, place, form)
    with pytest.raises(AssertionError, match=r"none of the expected identities|no matching"):
        workflow.cosign_verifies(real, place, form, f"{WORKFLOW}-other")


@ways
def test_we_verify_cosign(workflow: Workflow, place: Place, form: str, tmp_path: Path) -> None:
    """What cosign signs holds for us, for this identity alone; the evidence has what was authenticated."""
    workflow.cosign_signs(cosign("cosign", tmp_path), place, form)
    found = workflow.verify(place, form)
    assert (form, WORKFLOW, GITHUB) == (found.format, found.identity, found.issuer)
    assert workflow.services.sigstore.time == found.signed_at
    with pytest.raises(TrustError, match=r"identity: "):
        workflow.verify(place, form, f"{WORKFLOW}-other")


@ways
def test_keys_in_the_log(workflow: Workflow, place: Place, form: str, tmp_path: Path) -> None:
    """What cosign signs with a key and enters into the log holds where the log is required; ours, without, does not."""
    theirs, ours = (Pairs(tmp_path)[f"P-256 {name}"] for name in ("theirs", "ours"))
    workflow.cosign_signs(cosign("cosign", tmp_path), place, form, f"--key={theirs.private}")
    found, policy = (
        place.verify(theirs, form),
        replace(theirs.policy(form), require_tlog=True, trusted_root=workflow.root),
    )
    assert found.log_index is None
    logged = verify(place.registry, place.repository, place.subject.digest, policy)
    assert (found.key_fingerprint, True) == (logged.key_fingerprint, (logged.log_index or 0) > 0)
    place.sign(ours, form)
    with pytest.raises(TrustError, match=r"log: "):
        verify(place.registry, place.repository, place.subject.digest, replace(policy, keys=ours.policy(form).keys))
