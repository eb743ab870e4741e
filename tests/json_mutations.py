"""JSON documents that are wrong in small ways: a field gone, of another type, out of range, hostile, given twice."""

import json
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from hypothesis import strategies as st

Place = tuple[int, ...]
Node = Any  # an Object, a list, a Raw, or a scalar

_DEPTH = 100_000


@dataclass(frozen=True)
class Raw:
    """JSON, or what pretends to be, as it stands."""

    text: str

    def __repr__(self) -> str:
        return reprlib.repr(self.text)


@dataclass(frozen=True)
class Object:
    """A JSON object as its text has it: keys in their order, perhaps more than once."""

    members: tuple[tuple[str, Node], ...]


def parsed(text: str | bytes) -> Node:
    return json.loads(text, object_pairs_hook=lambda members: Object(tuple(members)))


def encoded(node: Node) -> str:
    if isinstance(node, Raw):
        return node.text
    if isinstance(node, Object):
        return "{" + ",".join(f"{json.dumps(key)}:{encoded(value)}" for key, value in node.members) + "}"
    if isinstance(node, list):
        return "[" + ",".join(map(encoded, node)) + "]"
    return json.dumps(node)


def places(node: Node, here: Place = ()) -> Iterator[Place]:
    """Where something stands in a document, the document itself apart."""
    inside = [value for _, value in node.members] if isinstance(node, Object) else node
    for index, value in enumerate(inside if isinstance(inside, list) else ()):
        yield (*here, index)
        yield from places(value, (*here, index))


Members = list[tuple[str, Node]]
Edit = Callable[[str, Node], Members]
"""What becomes of a member, or of an element (whose key is empty): nothing, another one, or several."""


def edited(node: Node, place: Place, edit: Edit) -> Node:
    """The document with *edit* done to what stands at *place*; where nothing stands any more, as it is."""
    is_object = isinstance(node, Object)
    if not place or not (is_object or isinstance(node, list)):
        return node
    members = list(node.members) if is_object else [("", value) for value in node]
    index, rest = place[0], place[1:]
    if index < len(members):
        key, value = members[index]
        members[index : index + 1] = [(key, edited(value, rest, edit))] if rest else edit(key, value)
    return replace(node, members=tuple(members)) if is_object else [value for _, value in members]


STRINGS = (
    "",
    "NaN",
    "60",
    "../../x",
    "'; DROP TABLE allocations; --",
    "${jndi:ldap://x}",
    "x" * 10_000,
    "\x00",
    "\x1b[31m\r\nERROR",
    "\u202e\U0001f4b8 é ẞ",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-11-19T10:00:00",
    "2026-11-19T12:00:00+02:00",
    "2026-11-19T10:00:00.5Z",
    "1969-12-31T23:59:59Z",
)
NUMBERS = (0, -1, 0.1, 2**63, -(10**30), 1e308, -1e308, 5e-324)
RAW = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "9" * 400,
    '"\\ud800"',
    "[" * _DEPTH + "]" * _DEPTH,
    '{"a":' * _DEPTH + "1" + "}" * _DEPTH,
    "",
    "'x'",
)

values = st.one_of(
    st.sampled_from([None, True, False, [], [None], Object(()), Object((("a", 1),))]),
    st.sampled_from(NUMBERS),
    st.sampled_from(STRINGS),
    st.sampled_from(RAW).map(Raw),
    st.text(max_size=20),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)


def _reversed(node: Node) -> Node:
    return Object(node.members[::-1]) if isinstance(node, Object) else node[::-1] if isinstance(node, list) else node


EDITS: Mapping[str, Callable[[str, Node, Node], Members]] = {
    "replaced by": lambda key, _, new: [(key, new)],
    "gone": lambda *_: [],
    "given twice": lambda key, old, _: [(key, old), (key, old)],
    "given again after": lambda key, old, new: [(key, new), (key, old)],
    "given again before": lambda key, old, new: [(key, old), (key, new)],
    "in another order": lambda key, old, _: [(key, _reversed(old))],
    "under the name": lambda _, old, new: [(str(new), old)],
}


@dataclass(frozen=True, repr=False)
class Mutation:
    """The *text* of a document after some *edits*, which is all that is told of it."""

    edits: tuple[str, ...]
    text: str

    def __repr__(self) -> str:
        return "; ".join(self.edits)


@st.composite
def mutations(draw: st.DrawFn, document: Node) -> Mutation:
    """The *document* after one to three edits."""
    told = []
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(list(places(document)) or [()]))
        kind, new = draw(st.sampled_from(list(EDITS))), draw(values)
        told.append(f"{path(document, place)} {kind} {reprlib.repr(new)}")
        document = edited(document, place, partial(_edit, EDITS[kind], new))
    return Mutation(tuple(told), encoded(document))


def path(node: Node, place: Place) -> str:
    """A place as people write it: keys and indexes, such as `data.0.some/pod.window.start`."""
    if not place:
        return ""
    key, inside = node.members[place[0]] if isinstance(node, Object) else (str(place[0]), node[place[0]])
    return f"{key}.{path(inside, place[1:])}".rstrip(".")


def _edit(change: Callable[[str, Node, Node], Members], new: Node, key: str, old: Node) -> Members:
    return change(key, old, new)
