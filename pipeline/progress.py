"""How long work shows that it goes on: a bar on a terminal, and nothing elsewhere, where the log speaks."""

import logging
import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

_Thing = TypeVar("_Thing")


def shown() -> bool:
    """Whether there is a terminal to show a bar on."""
    return sys.stderr.isatty()


def event_level() -> int:
    """At which level the steps of a run are logged: with a line for each where nobody watches a bar."""
    return logging.DEBUG if shown() else logging.INFO


def tracked(things: Iterable[_Thing], what: str, count: int | None = None) -> Iterator[_Thing]:
    """Pass *things* on, *count* of them if that is known, with a bar on a terminal."""
    if not shown():
        yield from things
        return
    from rich.console import Console  # rich takes a tenth of a second, which a pod need not wait for
    from rich.progress import track

    yield from track(things, description=what, total=count, console=Console(stderr=True), transient=True)
