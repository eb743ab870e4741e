"""How long work shows that it goes on: a bar on a terminal, and nothing elsewhere, where the log speaks."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

_Thing = TypeVar("_Thing")


def shown() -> bool:
    """Whether there is a terminal to show a bar on."""
    return Console(stderr=True).is_terminal


def tracked(things: Iterable[_Thing], what: str, count: int | None = None) -> Iterator[_Thing]:
    """Pass *things* on, *count* of them if that is known, with a bar on a terminal."""
    if not shown():
        yield from things
        return
    yield from track(things, description=what, total=count, console=Console(stderr=True), transient=True)
