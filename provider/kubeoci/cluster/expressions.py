# SPDX-License-Identifier: Apache-2.0
"""The user's own rules of health, written in the Common Expression Language.

The extra `pulumi-kubeoci[cel]` brings the language: Google's implementation. It counts the steps of an evaluation and
the depth of an expression by itself and gives up at its limits; only the length is ours to bound.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from kubeoci.cluster.checks import HealthCheckExpr
from kubeoci.cluster.states import Body, Health, State, progress
from kubeoci.errors import InputError

MAX_CHARACTERS = 4096
"""The longest expression."""
MAX_EXPRESSIONS = 64
"""The most kinds with rules of their own."""

_EXTRA = "install it with: pip install 'pulumi-kubeoci[cel]'"
_ERROR = "ERROR"

Judge = Callable[[Body], Health]


def judges(rules: Iterable[HealthCheckExpr], where: str = "healthCheckExprs") -> dict[tuple[str, str], Judge]:
    """A rule of health for each (group, kind).

    Raises InputError (`input.invalid`) for an expression that cannot be read, a kind that is named twice, too many or
    too long ones, or where the extra is not installed; `where` is the property path.
    """
    found: dict[tuple[str, str], Judge] = {}
    for index, rule in enumerate(rules):
        place = f"{where}[{index}]"
        if index >= MAX_EXPRESSIONS:
            raise InputError("input.invalid", f"there are more than {MAX_EXPRESSIONS} rules", where=where)
        if (rule.group, rule.kind) in found:
            what = f"{rule.kind} of {rule.group or 'the core group'} has a rule already"
            raise InputError("input.invalid", what, where=place, advice="write one rule for each kind")
        found[rule.group, rule.kind] = _judge(list(_steps(rule, place)))
    return found


_Step = tuple[str, State, Any]  # the expression's name, what it says when it is true, and it itself, compiled


def _steps(rule: HealthCheckExpr, place: str) -> Iterator[_Step]:
    if not rule.current.strip():
        raise InputError("input.invalid", "it is missing", where=f"{place}.current", advice="say when it is ready")
    for name, state, text in (
        ("inProgress", State.IN_PROGRESS, rule.in_progress),
        ("failed", State.FAILED, rule.failed),
        ("current", State.CURRENT, rule.current),
    ):
        if text.strip():
            yield name, state, _compiled(text, f"{place}.{name}")


def _compiled(text: str, where: str) -> Any:  # noqa: ANN401 - an untyped package
    if len(text) > MAX_CHARACTERS:
        raise InputError("input.invalid", f"it is longer than {MAX_CHARACTERS} characters", where=where)
    try:
        return _program(text)
    except ImportError:
        raise InputError("input.invalid", "CEL is not installed", where=where, advice=_EXTRA) from None
    except RuntimeError as error:
        raise InputError("input.invalid", f"it is no CEL: {_words(error)}", where=where) from None


@lru_cache(MAX_EXPRESSIONS * 3)
def _program(text: str) -> Any:  # noqa: ANN401 - an untyped package
    """The compiled expression: once for a process, though each step of a run reads the rules anew. Threads share it."""
    from cel_expr_python import cel  # noqa: PLC0415 - an extra
    from cel_expr_python.ext import ext_optional, ext_strings  # noqa: PLC0415 - as above

    environment = cel.NewEnv(extensions=[ext_optional.ExtOptional(), ext_strings.ExtStrings()])
    return environment.compile(text, disable_check=True)  # what fields there are, only the cluster knows


def _judge(steps: Iterable[_Step]) -> Judge:
    def judge(body: Body) -> Health:
        """By the first rule that holds. What cannot be evaluated is in progress: the field may come later."""
        for name, state, expression in steps:
            holds, words = _evaluated(expression, body)
            if words:
                return progress("ExpressionFailed", f"its expression `{name}` cannot be evaluated: {words}")
            if holds:
                return Health(state) if state is State.CURRENT else Health(state, "Expression", _told(name))
        return progress("Expression", "its expression `current` is not true yet")

    return judge


def _evaluated(expression: Any, body: Mapping[str, Any]) -> tuple[bool, str]:  # noqa: ANN401 - an untyped package
    """Whether the expression is true, and in words why that cannot be said."""
    try:
        found = expression.eval(data=dict(body))
    except (RuntimeError, ValueError, TypeError) as error:  # a limit, or a value that the language does not have
        return False, _words(error)
    kind, value = found.type().name(), found.value()  # an error of the language is a value of its own type
    if isinstance(value, bool):
        return value, ""
    return False, _words(value) if kind == _ERROR else f"it gives {kind}, neither true nor false"


def _told(name: str) -> str:
    return f"its expression `{name}` is true"


def _words(found: object) -> str:
    """The first line of what the package says, without its codes."""
    lines = [line.strip() for line in str(found).splitlines() if line.strip()] or [""]
    return lines[0].removeprefix("INVALID_ARGUMENT: ").removeprefix("ERROR: ").removesuffix(" [INVALID_ARGUMENT]")[:300]
