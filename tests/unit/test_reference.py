# SPDX-License-Identifier: Apache-2.0
"""References: what is taken, what it means, and what a user is told about the rest."""

import pytest

from kubeoci import reference
from kubeoci.errors import KubeociError

SHA = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("oci://ghcr.io/org/app:1.0", "ghcr.io/org/app:1.0"),
        ("ghcr.io/org/app", "ghcr.io/org/app"),
        (f"ghcr.io/org/app@{SHA}", f"ghcr.io/org/app@{SHA}"),
        (f"ghcr.io/org/app:v1@{SHA}", f"ghcr.io/org/app:v1@{SHA}"),
        ("GHCR.io/org/app", "ghcr.io/org/app"),
        ("localhost/app", "localhost/app"),
        ("127.0.0.1:5000/a/b-c__d.e", "127.0.0.1:5000/a/b-c__d.e"),
        ("[::1]:05000/app", "[::1]:5000/app"),
        ("[0:0::1]/app", "[::1]/app"),
        ("registry:5000/app:latest", "registry:5000/app:latest"),
        ("docker.io/nginx", "docker.io/library/nginx"),
        ("index.docker.io/org/app", "docker.io/org/app"),
        ("registry-1.docker.io/org/app", "docker.io/org/app"),
    ],
)
def test_reads_and_prints(text: str, shown: str) -> None:
    """Each form is read and printed in one spelling, which reads as itself."""
    assert (shown, shown) == (str(reference.parse(text)), str(reference.parse(shown)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("org/app", "did you mean oci://docker.io/org/app?"),
        ("oci://nginx", "did you mean oci://docker.io/nginx?"),
        ("", "the host of the registry is missing"),
        ("h:5000/A/b", "did you mean h:5000/a/b?"),
        ("h:99999/a", "port 99999 is not between 1 and 65535"),
        ("h:0/a", "port 0"),
        ("h:1x/a", "'h:1x' is no host"),
        ("http://h.example/a", "did you mean oci://h.example/a?"),
        ("OCI://h.example/a", "only the scheme oci:// is known"),
        ("h.example/", "is no repository"),
        ("h.example/a//b", "is no repository"),
        ("h.example/a_-b", "is no repository"),
        ("h.example/../b", "is no repository"),
        (f"h.example/{'a' * 256}", "longer than 255"),
        ("h.example/a:", "a tag is missing"),
        ("h.example/a@", "a digest is missing"),
        ("h.example/a:-x", "is no tag"),
        (f"h.example/a:{'x' * 129}", "is no tag"),
        ("h.example/a:1:2", "is no tag"),
        ("h.example/a@sha256:zz/../x", "is no digest"),
        ("h.example/a?x=1", "the character '?'"),
        ("h.example/a b", "the character ' '"),
        ("h.example/\u00e9", "the character"),
        ("-h.example/a", "is no host name"),
        ("h..example/a", "is no host name"),
        ("[::x]:1/a", "is no host"),
        ("[1.2.3.4]/a", "is no IPv6 address"),
    ],
)
def test_refuses_and_tells_why(text: str, told: str) -> None:
    """Each bad form is refused with its rule, or with what was probably meant."""
    with pytest.raises(KubeociError) as caught:
        reference.parse(text)
    assert "reference.invalid" == caught.value.code
    assert told in str(caught.value)


@pytest.mark.parametrize("text", ["oci://me:hunter2@h.example/a", "https://me:hunter2@h.example/a", "me:hunter2@h"])
def test_a_password_is_not_repeated(text: str) -> None:
    """A reference with a password is refused without printing it."""
    with pytest.raises(KubeociError, match="no user name or password") as caught:
        reference.parse(text)
    assert "hunter2" not in str(caught.value)


def test_parts_of_a_reference() -> None:
    """Tag and digest are kept apart; where one is missing it is None."""
    both = reference.parse(f"h.example/a:1@{SHA}")
    assert ("1", SHA) == (both.tag, both.digest)
    assert (None, None) == (reference.parse("h.example/a").tag, reference.parse("h.example/a").digest)


def test_docker_hub_has_three_names() -> None:
    """Docker Hub is shown, asked and looked up under different names."""
    hub = reference.parse("docker.io/nginx").repository
    assert ("docker.io", "registry-1.docker.io", "https://index.docker.io/v1/") == (
        hub.host,
        hub.api_host,
        hub.credential_key,
    )


def test_other_hosts_have_one_name() -> None:
    """Every other host is asked and looked up as it is written."""
    other = reference.parse("h.example:5000/a").repository
    assert ("h.example:5000", "h.example:5000") == (other.api_host, other.credential_key)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("127.8.9.1", True),
        ("[::1]:5000", True),
        ("[::2]", False),
        ("10.0.0.1:5000", False),
        ("h.example", False),
        ("localhost.example:5000", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    """Plain HTTP is expected on this machine only, told by the text of the host."""
    assert expected == reference.parse(f"{host}/a").repository.is_loopback


@pytest.mark.parametrize("tag", ["latest", "v1.0.0", "_x", "a" * 128])
def test_good_tags(tag: str) -> None:
    """A tag is taken as it is."""
    assert tag == reference.check_tag(tag)


@pytest.mark.parametrize("tag", ["", ".x", "-x", "a/b", "a+b", "a" * 129, "x\n"])
def test_bad_tags(tag: str) -> None:
    """A text that is no tag is refused with the grammar."""
    with pytest.raises(KubeociError, match="at most 128 letters"):
        reference.check_tag(tag)
