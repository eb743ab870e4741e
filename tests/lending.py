"""Environments that borrow their libraries from this one: the same files, without a network."""

from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


def closure(dist: Distribution) -> set[str]:
    """The names of all distributions that this one needs, with what those need in turn."""
    waiting = list(_needs(dist, frozenset()))
    reached: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = step = waiting.pop()
        if step not in reached:
            reached.add(step)
            waiting += _needs(distribution(name), extras)
    return {name for name, _ in reached}


def lend(names: Iterable[str], site_packages: Path) -> None:
    """Link what the distributions of these *names* installed here into another environment."""
    for name in names:
        dist = distribution(name)
        for top in {file.parts[0] for file in dist.files or ()} - {"..", "__pycache__"}:
            if not (site_packages / top).exists():
                (site_packages / top).symlink_to(str(dist.locate_file(top)))


def _needs(dist: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """What a distribution needs on this machine once it is asked for with these extras."""
    for requirement in map(Requirement, dist.requires or ()):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            yield requirement.name, frozenset(requirement.extras)
