# SPDX-License-Identifier: Apache-2.0
"""Reading kubeconfigs: which cluster, who we are, and what is never told."""

import threading
from pathlib import Path

import pytest

from kubeoci.cluster.login import Access, Impersonation, login
from kubeoci.errors import ClusterError, Stopped

CONFIG = """
apiVersion: v1
kind: Config
current-context: one
clusters:
- {name: c, cluster: {server: 'http://127.0.0.1:8001/'}}
users:
- {name: ann, user: {token: topsecret, as: bob, as-groups: [dev, ops]}}
- {name: plug, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: /does/not/exist}}}
contexts:
- {name: one, context: {cluster: c, user: ann}}
- {name: two, context: {cluster: c, user: plug}}
- {name: lost, context: {cluster: gone, user: ann}}
"""


def test_text_and_path_give_the_same(tmp_path: Path) -> None:
    """A kubeconfig may be given as its text or as a path."""
    path = tmp_path / "config"
    path.write_text(CONFIG)
    assert login(Access(CONFIG)) == login(Access(str(path)))


def test_environment_names_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a setting KUBECONFIG is read, at the time of the call."""
    path = tmp_path / "config"
    path.write_text(CONFIG)
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'missing'}:{path}")
    assert "http://127.0.0.1:8001" == login(Access()).server


def test_token_and_impersonation_become_headers() -> None:
    """`as` and `as-groups` are sent: silently acting as oneself would be another person's rights."""
    expected = [("Authorization", "Bearer topsecret"), ("Impersonate-User", "bob")]
    expected += [("Impersonate-Group", "dev"), ("Impersonate-Group", "ops")]
    assert expected == list(login(Access(CONFIG)).headers)


def impersonating(text: str) -> list[tuple[str, str]]:
    """The headers but the first for a user entry with these fields."""
    return list(login(Access(CONFIG.replace("as: bob, as-groups: [dev, ops]", text))).headers)[1:]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("as: bob", [("User", "bob")]),
        ("as: bob, as-uid: '7'", [("User", "bob"), ("Uid", "7")]),
        (
            "as: bob, as-user-extra: {Why/now: [a, b]}",
            [("User", "bob"), ("Extra-why%2Fnow", "a"), ("Extra-why%2Fnow", "b")],
        ),
        ("as: bøb", [("User", "bøb".encode().decode("latin-1"))]),
        ("as: ''", []),
    ],
)
def test_all_of_as_is_sent(text: str, expected: list[tuple[str, str]]) -> None:
    """User, uid and extra fields, as kubectl sends them."""
    assert [(f"Impersonate-{name}", value) for name, value in expected] == impersonating(text)


def test_setting_replaces_the_kubeconfig() -> None:
    """`cluster.impersonate` counts alone: groups of another user must not stay."""
    found = login(Access(CONFIG, impersonate=Impersonation("ann", ("a", "b"), "9"))).headers[1:]
    names = ("User", "Group", "Group", "Uid")
    assert list(zip((f"Impersonate-{name}" for name in names), ("ann", "a", "b", "9"), strict=True)) == list(found)


@pytest.mark.parametrize(
    ("whom", "told"),
    [
        (Impersonation("", ("a",)), "but no user"),
        (Impersonation("", uid="7"), "but no user"),
        (Impersonation("a\r\nX-Evil: 1"), "no header can carry"),
        (Impersonation("a", ("",)), "no header can carry"),
        (Impersonation(" a"), "no header can carry"),
    ],
)
def test_bad_impersonation_is_refused(whom: Impersonation, told: str) -> None:
    """Before any request: the server would refuse it, or take it for another header."""
    with pytest.raises(ClusterError, match=told) as caught:
        login(Access(CONFIG, impersonate=whom))
    assert "cluster.config" == caught.value.code


def test_failed_plugin_is_an_error() -> None:
    """Requests must never go out anonymously because a credential plugin failed; it is named without its folder."""
    with pytest.raises(ClusterError, match="its credential plugin exist failed"):
        login(Access(CONFIG, context="two"))


@pytest.mark.parametrize(
    ("access", "message"),
    [
        (Access(CONFIG, context="three"), "it has no context 'three'; choose one of one, two, lost"),
        (Access(CONFIG, context="lost"), "names a cluster that it does not describe"),
        (Access("/no/such/file"), "/no/such/file: there is no such kubeconfig"),
        (Access("apiVersion: v1\nusers: [topsecret"), "it cannot be used (ParserError)"),
        (Access("- apiVersion: topsecret\n"), "it is no kubeconfig"),
    ],
)
def test_bad_kubeconfigs_are_explained(access: Access, message: str) -> None:
    """The message says what is wrong, never what is in the file."""
    with pytest.raises(ClusterError) as caught:
        login(access)
    assert "cluster.config" == caught.value.code
    assert message in str(caught.value)
    assert "topsecret" not in str(caught.value)


SLOW = CONFIG.replace("command: /does/not/exist", "command: sleep, args: ['1']").replace("context: one", "context: two")


def test_a_plugin_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may wait for somebody who is not there."""
    monkeypatch.setattr("kubeoci.cluster.login.PLUGIN_SECONDS", 0.2)
    with pytest.raises(ClusterError, match=r"its credential plugin does not answer within 0 s; run it by hand"):
        login(Access(SLOW))


def test_a_plugin_that_hangs_can_be_stopped() -> None:
    """The user's wish ends the waiting."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        login(Access(SLOW), stop)


def test_nothing_prints_credentials() -> None:
    """Neither the setting nor the login shows what is secret."""
    access = Access(CONFIG)
    assert "topsecret" not in f"{access!r} {login(access)!r}"


PLUGIN = """#!/bin/sh
echo run >> "$(dirname "$0")/runs"
test -f "$(dirname "$0")/broken" && { echo topsecret-stderr >&2; exit 3; }
count=$(wc -l < "$(dirname "$0")/runs")
echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "t-'$count'"}}'
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Access:
    """A kubeconfig whose user has a credential plugin that gives another token each time it runs."""
    (tmp_path / "corp-login").write_text(PLUGIN)
    (tmp_path / "corp-login").chmod(0o755)
    return Access(
        CONFIG.replace("/does/not/exist", f"{tmp_path / 'corp-login'}, interactiveMode: Never"), context="two"
    )


def test_plugin_gives_a_token(plugin: Access) -> None:
    """It runs for each login, so that a token that expired is replaced."""
    assert [("Authorization", "Bearer t-1")] == [tuple(map(str.strip, pair)) for pair in login(plugin).headers]
    assert "Bearer t-2" == " ".join(login(plugin).headers[0][1].split())


def test_plugin_that_fails_is_named(plugin: Access, tmp_path: Path) -> None:
    """What it wrote may be secret, and is not repeated in the error."""
    (tmp_path / "broken").touch()
    with pytest.raises(ClusterError, match="its credential plugin corp-login failed; run it by hand") as caught:
        login(plugin)
    assert "topsecret" not in str(caught.value)


def test_no_cluster_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a setting, a variable and a default file there is nothing to ask."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ClusterError, match=r"set cluster\.kubeconfig or KUBECONFIG"):
        login(Access())


def test_a_pod_that_lacks_its_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a cluster the Pod's own account is the last resort; a Pod without one is told so."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(ClusterError, match=r"it cannot be used \(ConfigException\)"):
        login(Access())


def test_no_proxy_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that NO_PROXY names is reached without the proxy of the environment."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert "http://proxy.invalid" == login(Access(CONFIG)).proxy
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert "" == login(Access(CONFIG)).proxy
