# SPDX-License-Identifier: Apache-2.0
"""Rules of health that users write in CEL: what they say of an object, and what is refused before anything is asked."""

import sys
from typing import Any

import pytest
from cel_expr_python import cel

from kubeoci.cluster.checks import HealthCheckExpr
from kubeoci.cluster.expressions import MAX_CHARACTERS, MAX_EXPRESSIONS, _program, judges
from kubeoci.cluster.states import Health, State
from kubeoci.errors import InputError

READY = "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')"
FAILED = "status.conditions.exists(e, e.type == 'Ready' && e.reason == 'Broken')"
BUSY = "status.conditions.exists(e, e.type == 'Issuing' && e.status == 'True')"


def cart(**fields: str) -> HealthCheckExpr:
    """Rules for the kind Cart."""
    return HealthCheckExpr("shop.dev/v1", "Cart", **{"current": READY, **fields})


def body(*conditions: dict[str, str], **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """A live Cart."""
    status = {"conditions": list(conditions)}
    return {
        "apiVersion": "shop.dev/v2",
        "kind": "Cart",
        "metadata": {"name": "a", "generation": 2},
        "status": status,
    } | fields


def judged(rule: HealthCheckExpr, live: dict[str, Any]) -> Health:
    """What a rule says of a Cart."""
    return judges([rule])["shop.dev", "Cart"](live)


def ready(status: str, reason: str = "") -> dict[str, str]:
    """A condition Ready."""
    return {"type": "Ready", "status": status, "reason": reason}


@pytest.mark.parametrize(
    ("live", "state"),
    [
        (body(ready("True")), State.CURRENT),
        (body(ready("False")), State.IN_PROGRESS),
        (body(ready("False", "Broken")), State.FAILED),
        (body(ready("True"), {"type": "Issuing", "status": "True"}), State.IN_PROGRESS),
        (body(ready("True", "Broken"), {"type": "Issuing", "status": "True"}), State.IN_PROGRESS),
        (body(ready("True", "Broken")), State.FAILED),
    ],
)
def test_first_true_expression_decides(live: dict[str, Any], state: State) -> None:
    """In the order inProgress, failed, current; the object is on its way when none is true."""
    assert state is judged(cart(in_progress=BUSY, failed=FAILED), live).state


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("status.phase == 'Running'", 'Key not found in map : "phase"'),
        ("spec.size > 1", 'No value with name "spec" found'),
        ("status.conditions", "it gives LIST<DYN>, neither true nor false"),
        ("'true'", "it gives STRING, neither true nor false"),
        ("1", "it gives INT"),
        ("null", "it gives NULL"),
        ("invented(status)", "No matching overloads found"),
        ("metadata.generation / 0 == 1", "divide by zero"),
        ("sets.contains([1], [1])", 'No value with name "sets"'),
    ],
)
def test_what_cannot_be_evaluated_is_waited_for(expression: str, words: str) -> None:
    """A field may come later, as Flux has it; the reason is in the message, never a truth."""
    found = judged(cart(current=expression), body())
    assert (State.IN_PROGRESS, "ExpressionFailed") == (found.state, found.reason)
    assert words in found.message


@pytest.mark.parametrize(
    "expression",
    [
        "status.?phase.orValue('Running') == 'Running'",
        "metadata.name.upperAscii() == 'A'",
        "has(status.conditions) && !has(status.phase)",
        "metadata.generation == 2.0",
        "kind == 'Cart' && apiVersion.startsWith('shop.dev/')",
        "metadata.name.matches('^[a-z]$')",
    ],
)
def test_language(expression: str) -> None:
    """What rules for Flux are written with: optional fields, strings, macros and all fields of the object."""
    assert judged(cart(current=expression), body()).is_current


def test_endless_work_is_given_up() -> None:
    """The language counts its steps: an expression over a long list ends in an error, not in a hang."""
    nested = "status.l.all(a, status.l.all(b, status.l.all(c, a + b + c >= 0)))"
    found = judged(cart(current=nested), body(status={"l": list(range(2000))}))
    assert "budget exceeded" in found.message


def test_numbers_that_the_language_does_not_have() -> None:
    """A number beyond 64 bits is a failure of the evaluation, told as such."""
    assert "out of range" in judged(cart(current="status.n == 1"), body(status={"n": 2**70})).message


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ([cart(current="status.")], "healthCheckExprs[0].current: it is no CEL: <input>:1:8: Syntax error"),
        ([cart(failed="a b")], "healthCheckExprs[0].failed: it is no CEL"),
        ([cart(in_progress="(" * 200 + "true" + ")" * 200)], "healthCheckExprs[0].inProgress: it is no CEL"),
        ([cart(current=" ")], "healthCheckExprs[0].current: it is missing"),
        ([cart(current="a" * (MAX_CHARACTERS + 1))], "it is longer than 4096 characters"),
        ([cart(), cart()], "healthCheckExprs[1]: Cart of shop.dev has a rule already"),
        ([HealthCheckExpr("v1", f"K{n}", "true") for n in range(MAX_EXPRESSIONS + 1)], "more than 64 rules"),
    ],
)
def test_bad_rules_are_refused(rules: list[HealthCheckExpr], told: str) -> None:
    """Each fault with its property path, before any request."""
    with pytest.raises(InputError) as caught:
        judges(rules)
    assert "input.invalid" == caught.value.code
    assert told in str(caught.value)


def test_one_rule_for_all_versions() -> None:
    """A rule holds for a group and kind, whatever the version."""
    twice = [cart(), HealthCheckExpr("shop.dev/v2", "Cart", "true")]
    with pytest.raises(InputError, match="has a rule already"):
        judges(twice)
    assert {("shop.dev", "Cart"), ("", "Pod")} == set(judges([cart(), HealthCheckExpr("v1", "Pod", "true")]))


def test_an_expression_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often its rule is read: for the check, the plan, and each stage that is waited for."""
    compiled: list[str] = []
    real = cel.NewEnv

    def counted(**settings: Any) -> Any:  # noqa: ANN401 - an untyped package
        compiled.append("compiled")
        return real(**settings)

    monkeypatch.setattr(cel, "NewEnv", counted)
    rule = cart(current="metadata.name == 'compiled once'", failed="false && compiled_once")
    for _ in range(3):
        assert State.IN_PROGRESS is judged(rule, body()).state
    assert ["compiled"] * 2 == compiled


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install; without rules nothing is missing."""
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    _program.cache_clear()
    assert {} == judges([])
    with pytest.raises(InputError, match=r"pip install 'pulumi-kubeoci\[cel\]'"):
        judges([cart()])
