# SPDX-License-Identifier: Apache-2.0
"""What both front ends make of any resource: one table of cases, run on each."""

import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from contract.engine import Engine, urn
from contract.provider import RefusedError
from kubeoci.lifecycle.values import UNKNOWN, Secret, reveal

PASSWORD = Secret({"username": "shopkeeper", "password": "correct horse"})
GOOD: dict[str, Any] = {"url": "oci://host/app", "path": "one", "credentials": PASSWORD, "driftDetection": False}


def with_path(path: object) -> dict[str, Any]:
    """Good inputs with another path."""
    return {**GOOD, "path": path}


CASES: dict[str, tuple[object, str, list[str]]] = {
    "unchanged": ("one", "same", []),
    "changed": ("two", "update", ["digest", 'files["deploy/web.yaml"]', "path"]),
    "unknown": (UNKNOWN, "update", ["digest", "files", "path"]),
}


@pytest.mark.parametrize("case", CASES)
def test_preview_shows_each_changed_path(madeup: Engine, case: str) -> None:
    """The preview of a change lists the changed files, and nothing when nothing changed."""
    path, op, paths = CASES[case]
    madeup.up(GOOD)
    result = madeup.preview(with_path(path))
    assert (op, paths) == (result.op, sorted(result.paths))


def test_facts_are_known_in_the_first_preview(madeup: Engine) -> None:
    """What check adds is an output before anything exists."""
    result = madeup.preview(GOOD)
    assert ("create", "7692c3ad") == (result.op, reveal(result.outputs["files"])["deploy/web.yaml"][:8])


def test_unknown_input_makes_unknown_facts_and_no_failure(madeup: Engine) -> None:
    """An unknown input never fails a preview."""
    result = madeup.preview(with_path(UNKNOWN))
    assert ("create", UNKNOWN, UNKNOWN) == (result.op, result.outputs["digest"], result.outputs["files"])


def test_all_check_failures_come_at_once(madeup: Engine) -> None:
    """Every fault is told, none names a property, and nothing is made."""
    result = madeup.up({"wrong": "x", "inventoryName": "i"})
    missing = ["path: is missing (input.invalid)", "url: is missing (input.invalid)"]
    assert ("failed", [*missing, "wrong: no such property (input.unknown)"]) == (result.op, result.failures)
    assert {} == madeup.states


def test_error_in_check_is_a_failure(madeup: Engine) -> None:
    """A registry that refuses makes one clean line, not a traceback."""
    assert ["host/app: no access; log in (registry.denied)"] == madeup.preview(with_path("check-denied")).failures


def test_create_stores_id_inputs_and_outputs(madeup: Engine) -> None:
    """The state has what read and delete need; credentials stay secret in it."""
    madeup.up(GOOD)
    state = madeup.state()
    assert ("host/app", True, PASSWORD) == (state.id, state.outputs["ready"], state.outputs["credentials"])


@pytest.mark.parametrize(
    ("fate", "text"),
    [
        ("denied", "host/app: may not push; ask for the right (registry.denied)"),
        ("several", "url: is odd (input.invalid)\npath: is even (input.invalid)"),
    ],
)
def test_failure_of_create_is_told_and_stores_nothing(madeup: Engine, fate: str, text: str) -> None:
    """The text of the error ends what the user sees; there is no resource."""
    result = madeup.up(with_path(fate))
    assert result.error.rstrip().endswith(text)
    assert {} == madeup.states


def test_fault_in_kubeoci_itself_tells_no_values(madeup: Engine) -> None:
    """An exception that nobody foresaw is named by its type; its text may hold a password."""
    error = madeup.up(with_path("broken")).error
    assert "kubeoci itself failed: RuntimeError" in error
    assert "correct horse" not in error


def test_fault_in_check_itself_tells_no_values(madeup: Engine) -> None:
    """The same during check: a failure or an abort, and never a value."""
    result = madeup.up(with_path("check-broken"))
    assert "kubeoci itself failed: RuntimeError" in result.error + "".join(result.failures)


def test_replacement_makes_the_new_one_first(madeup: Engine, tmp_path: Path) -> None:
    """Another url replaces: the new one is there, the old one gone."""
    madeup.up(GOOD)
    result = madeup.up({**GOOD, "url": "oci://host/other"})
    assert ("replace", ["host/other"]) == (result.op, list(json.loads((tmp_path / "world.json").read_text())))


def test_refresh_shows_drift_and_up_mends_it(madeup: Engine, tmp_path: Path) -> None:
    """What changed in the world is a path of the refresh; the next up writes it again."""
    madeup.up(GOOD)
    drifted = {"host/app": {"deploy/web.yaml": "drifted", "same.yaml": "0"}}
    (tmp_path / "world.json").write_text(json.dumps(drifted))
    assert {'files["deploy/web.yaml"]': "update"} == madeup.refresh().paths
    assert ("update", "same") == (madeup.up(GOOD).op, madeup.refresh().op)


def test_refresh_finds_what_is_gone(madeup: Engine, tmp_path: Path) -> None:
    """A proven absence takes the resource out of the state, and the next up creates it."""
    madeup.up(GOOD)
    (tmp_path / "world.json").write_text("{}")
    assert ("gone", "create") == (madeup.refresh().op, madeup.up(GOOD).op)


def test_refresh_error_keeps_the_state(madeup: Engine) -> None:
    """A cluster that cannot be asked is an error, never an absence."""
    madeup.up(GOOD)
    madeup.state().id = "unreachable"
    error = madeup.refresh().error.rstrip()
    assert error.endswith("https://cluster: no connection (cluster.unreachable)")
    assert "unreachable" == madeup.state().id


def test_destroy_twice_is_no_failure(madeup: Engine, tmp_path: Path) -> None:
    """Deleting removes it from the world; deleting what is gone succeeds."""
    madeup.up(GOOD)
    kept = madeup.state()
    assert ("delete", "{}") == (madeup.destroy().op, (tmp_path / "world.json").read_text())
    madeup.states[urn("OCIArtifact", "app")] = kept
    assert "" == madeup.destroy().error


def test_order_of_commands_leaves_no_process(madeup: Engine) -> None:
    """Each command's process ends with it, exit code 0 for the plugin."""
    madeup.preview(GOOD)
    provider = madeup.provider
    assert provider is not None
    madeup.close()
    assert provider.process.returncode in ((-signal.SIGTERM,) if provider.dynamic else (0,))


class TestDynamic:
    """What only a dynamic resource needs."""

    @pytest.fixture
    def front(self) -> str:
        """The dynamic resources alone."""
        return "dynamic"

    def test_unfinished_create_is_abandoned(self, madeup: Engine, tmp_path: Path) -> None:
        """Pulumi forgets the resource, so nothing of it may stay; the reasons end the text."""
        error = madeup.up(with_path("unfinished")).error.rstrip()
        assert error.endswith("not ready\nso is the other\nwhat was written is gone again")
        assert ({}, "{}") == (madeup.states, (tmp_path / "world.json").read_text())

    def test_traceback_has_no_second_part(self, madeup: Engine) -> None:
        """The cause of a failure would be printed with a traceback of its own."""
        assert 1 == madeup.up(with_path("denied")).error.count("Traceback")


class TestPlugin:
    """What only the plugin can do."""

    @pytest.fixture
    def front(self) -> str:
        """The plugin alone."""
        return "plugin"

    def test_preview_has_a_row_per_changed_object(self, madeup: Engine) -> None:
        """Rows are named after their owner; what is unchanged has none."""
        result = madeup.preview(GOOD)
        rows = ["+ kubernetes:apps/v1:Deployment app/shop/web", "- kubernetes:v1:ConfigMap app/shop/flags"]
        assert (rows, ["warning: check was here", "info: one line in words"]) == (result.rows, result.lines)

    def test_up_has_no_rows(self, madeup: Engine) -> None:
        """Rows in the update would end in the state."""
        assert [] == madeup.up(GOOD).rows

    def test_unfinished_create_is_kept_and_finished_later(self, madeup: Engine) -> None:
        """The resource is in the state with each reason; the next up updates it though nothing differs."""
        madeup.up(with_path("unfinished"))
        assert ["Deployment/shop/web is not ready", "so is the other"] == madeup.state().reasons
        assert ("update", []) == (madeup.up(with_path("one")).op, madeup.state().reasons)

    def test_huge_unfinished_state_is_cut_to_size(self, madeup: Engine) -> None:
        """Files and objects go first; the inventory always stays."""
        madeup.up(with_path("huge"))
        assert (["kept"], False) == (madeup.state().outputs["inventory"], "files" in madeup.state().outputs)

    def test_ignored_paths_are_no_difference(self, madeup: Engine) -> None:
        """Facts are computed in each check, so the plugin itself drops them from the difference."""
        madeup.up(GOOD)
        result = madeup.preview(with_path("two"), ignore=["path", "digest", 'files["deploy/web.yaml"]'])
        assert "same" == result.op

    def test_drift_detection_reads_before_each_preview(self, madeup: Engine, tmp_path: Path) -> None:
        """With driftDetection on, a preview shows what changed in the world."""
        inputs = {key: value for key, value in GOOD.items() if key != "driftDetection"}
        madeup.up(inputs)
        (tmp_path / "world.json").write_text(json.dumps({"host/app": {"deploy/web.yaml": "drifted", "same.yaml": "0"}}))
        assert {'files["deploy/web.yaml"]': "update"} == madeup.preview(inputs).paths

    def test_inventory_name_has_a_default_for_every_language(self, madeup: Engine) -> None:
        """Programs without the Python SDK get the same name."""
        outputs = madeup.preview(GOOD).outputs
        assert ("shop-dev-app", "shop/dev/app") == (outputs["inventoryName"], outputs["owner"])

    def test_unknown_input_outside_a_preview_is_refused(self, madeup: Engine) -> None:
        """It would end in the state."""
        provider = madeup.spawn()
        provider.start({})
        with pytest.raises(RefusedError, match="path: is not known in an update"):
            provider.create(urn("OCIArtifact", "app"), with_path(UNKNOWN), preview=False)
        provider.stop()

    def test_configuration_faults_come_at_once(self, madeup: Engine) -> None:
        """Unknown keys and JSON that does not parse; the text of the JSON is not told."""
        madeup.config = {"cluster": "{secret", "color": "red", "version": "1.0.0"}
        failures = madeup.preview(GOOD).failures
        assert ["cluster: is text, but", "color: kubeoci has no"] == [failure[:21] for failure in failures]

    def test_cancel_stops_a_running_create(self, madeup: Engine) -> None:
        """Cancel is answered at once, and the create ends as cancelled."""
        provider = madeup.spawn()
        provider.start({})
        threading.Timer(0.3, provider.stop).start()
        started = time.monotonic()
        with pytest.raises(RefusedError, match="CANCELLED: stopped on request"):
            provider.create(urn("OCIArtifact", "app"), with_path("slow"), preview=False)
        assert time.monotonic() - started < 20
        provider.process.wait(5)

    def test_progress_comes_at_most_five_times_a_second(self, madeup: Engine) -> None:
        """A create that reports every 50 ms makes few lines."""
        provider = madeup.spawn()
        provider.start({})
        threading.Timer(1.0, provider.stop).start()
        with pytest.raises(RefusedError):
            provider.create(urn("OCIArtifact", "app"), with_path("slow"), preview=False)
        assert 2 <= len([log for log in provider.services.logs if log.ephemeral]) <= 6
