"""What collecting costs, measured and written down: `python -m benchmarks.run`."""

import os
import platform
import re
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

import click

from benchmarks.cases import Result, against_floor, backfill, last_hour
from benchmarks.processes import environment

_GIB = 1 << 30
_TABLE = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- end -->)", re.DOTALL)

_Case = Callable[[Mapping[str, str], int], Result]


def _cases() -> dict[str, _Case]:
    return {
        "1000": lambda env, n: against_floor(1_000, env, n, wall_limit=1.5, peak_limit_mb=30),
        "10000": lambda env, n: against_floor(10_000, env, n, wall_limit=1.3),
        "100000": lambda env, n: against_floor(100_000, env, n, wall_limit=1.15),
        "volumes": lambda env, n: against_floor(30_000, env, n, wall_limit=1.3, volumes=True),
        "last-10000": lambda env, n: last_hour(10_000, env, n, wall_limit=2),
        "last-100000": lambda env, n: last_hour(100_000, env, n, wall_limit=4),
        "backfill": lambda env, _: backfill(1_000, env, wall_limit=1.1),
    }


def _in_a_cluster() -> dict[str, str]:
    return environment(
        CHARGEBACK_CLUSTER_ARN="arn:aws:eks:us-east-1:111122223333:cluster/benchmark",
        CHARGEBACK_LAKE="s3://lake/chargeback",
    )


def _row(result: Result) -> str:
    wall = f"{result.wall:.2f} (at most {result.wall_limit:g})"
    limit = "" if result.peak_limit_mb is None else f" (at most {result.peak_limit_mb:+.0f})"
    base = f"{result.base_name}: {result.base.seconds:.2f} s, {result.base.peak_mb:.0f} MB"
    ours = f"{result.ours.seconds:.2f} s, {result.ours.peak_mb:.0f} MB"
    return f"| {result.what} | {wall} | {result.more_mb:+.0f} MB{limit} | {base} | {ours} |"


def _table(results: Iterable[Result]) -> str:
    heading = ("what", "wall time, ratio", "peak memory, difference", "measured against", "chargeback")
    lines = [f"| {' | '.join(heading)} |", f"|{' --- |' * len(heading)}", *map(_row, results)]
    return "\n".join(lines) + "\n"


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
    libraries = ", ".join(f"{name} {version(name)}" for name in ("pyarrow", "msgspec", "boto3"))
    return f"{os.cpu_count()} cores, {memory:.0f} GiB of memory, Python {platform.python_version()}, {libraries}"


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(_cases())), help="This case; several times for several.")
@click.option("--repeat", default=3, show_default=True, help="Runs of each, of which the median counts.")
@click.option("-o", "--output", type=click.Path(path_type=Path, exists=True), help="Write the table into this file.")
def main(only: tuple[str, ...], repeat: int, output: Path | None) -> None:
    """Measure, print a table, and fail if a limit does not hold."""
    results = []
    for name, case in _cases().items():
        if not only or name in only:
            results.append(case(_in_a_cluster(), repeat))
            click.echo(_row(results[-1]), err=True)
    text = f"{_table(results)}\nMeasured on {_machine()}; medians of {repeat}.\n"
    click.echo(text)
    if output is not None:
        page = output.read_text(encoding="utf-8")
        output.write_text(_TABLE.sub(lambda _: f"\n{text}\n", page), encoding="utf-8")
    if broken := [result.what for result in results if not result.holds]:
        raise click.ClickException(f"a limit does not hold for {'; '.join(broken)}")


if __name__ == "__main__":
    main()
