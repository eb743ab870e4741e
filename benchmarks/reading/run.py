"""What the SQL reads, measured and written down: `python -m benchmarks.reading.run`."""

import os
import platform
import re
from pathlib import Path

import click

from benchmarks.processes import environment
from benchmarks.reading.delivery import Size
from benchmarks.reading.measuring import Measured, measured
from benchmarks.reading.pages import broken, examples_table, page
from tests.trino.installation import VERSION, TrinoUnavailableError

_TABLE = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- end -->)", re.DOTALL)
_POD_HOURS, _LINES = 1_000_000, 5_000_000
_GIB = 1 << 30


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
    return f"Measured on {os.cpu_count()} cores, {memory:.0f} GiB of memory, {platform.machine()}, Trino {VERSION}."


def _by_clusters(most: int, scale: float, memory_gb: int) -> list[Measured]:
    """A tenth, and a tenth of that, of *most* clusters, all of the same size; those have all that the scale gives."""
    counts = [count for count in (most // 100, most // 10, most) if count]
    sizes = [
        Size(count, round(_POD_HOURS * scale * count / most), round(_LINES * scale * count / most)) for count in counts
    ]
    return [measured(environment(), size, memory_gb, every_question=False) for size in sizes]


def _written(page_of: Path, text: str) -> None:
    former = page_of.read_text(encoding="utf-8")
    page_of.write_text(_TABLE.sub(lambda _: f"\n{text}\n", former), encoding="utf-8")


@click.command()
@click.option("--scale", default=1.0, show_default=True, help="Of 1 million pod-hours and 5 million lines, that part.")
@click.option(
    "--clusters", default=100, show_default=True, help="How many in the end, when clusters are added; 0: none."
)
@click.option("--memory", default=12, show_default=True, help="GB that Trino may take; a query has half of it.")
@click.option("-o", "--output", type=click.Path(path_type=Path, exists=True), help="Write the tables into this file.")
@click.option("--examples", type=click.Path(path_type=Path, exists=True), help="And the examples' into this one.")
def main(scale: float, clusters: int, memory: int, output: Path | None, examples: Path | None) -> None:
    """Measure, print tables, and fail if a goal is missed; goals are those of the whole scale."""
    try:
        whole = measured(
            environment(), Size(1, round(_POD_HOURS * scale), round(_LINES * scale)), memory, every_question=True
        )
        by_clusters = _by_clusters(clusters, scale, memory)
    except TrinoUnavailableError as unavailable:
        raise click.ClickException(str(unavailable)) from unavailable
    text = f"{page(whole, by_clusters)}\n{_machine()}\n"
    click.echo(text)
    if output is not None:
        _written(output, text)
    if examples is not None:
        _written(examples, f"{examples_table(whole)}\n{_machine()}\n")
    if scale >= 1 and (missed := list(broken(whole, by_clusters))):
        raise click.ClickException(f"goals missed: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
