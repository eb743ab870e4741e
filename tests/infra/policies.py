"""IAM's policies: which statements allow a call, by action, resource and condition.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True)
class Call:
    """An *action* on a *resource* by its ARN (`*` where the action knows none), in the *context* of its request."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Statement:
    """One statement of a policy: its *sid*, and what it is about."""

    sid: str
    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    def matches(self, call: Call) -> bool:
        return bool(self.allowing(call)) and self._holds(dict(call.context))

    def allowing(self, call: Call) -> tuple[str, ...]:
        """The actions of the statement that are the call's, on its resource, whatever the condition."""
        if not any(_like(pattern, call.resource) for pattern in self.resources):
            return ()
        return tuple(pattern for pattern in self.actions if _like(pattern.lower(), call.action.lower()))

    def _holds(self, context: Mapping[str, str]) -> bool:
        given = {key.lower(): value for key, value in context.items()}
        return all(_holds(operator, given.get(key.lower()), values) for operator, key, values in self.conditions)


def statements(document: Mapping[str, Any]) -> tuple[Statement, ...]:
    """The statements of a policy document; one that is not understood whole is an error."""
    return tuple(_statement(written) for written in _several(document["Statement"]))


def is_allowed(call: Call, granted: Iterable[Statement]) -> bool:
    """Whether some statement allows the call, and none denies it."""
    effects = {statement.effect for statement in granted if statement.matches(call)}
    return effects == {"Allow"}


def _statement(written: Mapping[str, Any]) -> Statement:
    unknown = set(written) - {"Sid", "Effect", "Action", "Resource", "Condition"}
    if unknown:
        raise ValueError(f"not understood in a statement: {unknown}")
    return Statement(
        sid=written["Sid"],
        effect=written["Effect"],
        actions=tuple(_several(written["Action"])),
        resources=tuple(_several(written["Resource"])),
        conditions=tuple(
            (operator, key, tuple(map(str, _several(values))))
            for operator, tests in written.get("Condition", {}).items()
            for key, values in tests.items()
        ),
    )


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_COMPARISONS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda pattern, value: pattern == value,
    "StringLike": lambda pattern, value: _like(pattern, value),
    "ArnLike": lambda pattern, value: _like(pattern, value),
    "Bool": lambda pattern, value: pattern.lower() == value.lower(),
}


def _holds(operator: str, value: str | None, values: Iterable[str]) -> bool:
    """Whether a condition holds; of a key that the request does not have, only IfExists says that it does."""
    compare = _COMPARISONS[operator.removesuffix("IfExists")]
    if value is None:
        return operator.endswith("IfExists")
    return any(compare(pattern, value) for pattern in values)


def _like(pattern: str, value: str) -> bool:
    return _expression(pattern).fullmatch(value) is not None


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(character, re.escape(character)) for character in pattern), re.DOTALL)
