"""How a process is run and what it cost: wall time and peak memory, of the whole of it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from tempfile import TemporaryFile
from time import perf_counter

import click

_KIB_PER_MB = 1_000_000 / 1024


@dataclass(frozen=True)
class Cost:
    """What a process cost: seconds from start to end, and peak resident memory in MB."""

    seconds: float
    peak_mb: float

    @classmethod
    def typical(cls, costs: Sequence["Cost"]) -> "Cost":
        """The medians of several runs."""
        return cls(median(cost.seconds for cost in costs), median(cost.peak_mb for cost in costs))


def environment(**settings: str) -> dict[str, str]:
    """This process's environment with *settings*, and without any other AWS account or chargeback in it."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CHARGEBACK_"))}
    return others | {
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        **settings,
    }


def cost_of(arguments: Sequence[str], environment: Mapping[str, str]) -> Cost:
    """Run a Python module with *arguments* (its name first), and measure it.

    The kernel counts the peak of a child from that of its parent on: this process must stay smaller than its children,
    and so imports nothing that is large.

    Raises:
        ClickException: it failed.
    """
    with TemporaryFile() as said:
        began = perf_counter()
        process = subprocess.Popen([sys.executable, "-m", *arguments], env=environment, stderr=said)  # noqa: S603
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise click.ClickException(f"{' '.join(arguments)} failed:\n{said.read().decode()}")
    return Cost(seconds, usage.ru_maxrss / _KIB_PER_MB)


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """Run a Python module that serves until it is stopped; yields the address that it prints when it is ready."""
    with subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield (process.stdout.readline() if process.stdout else "").strip()
        finally:
            process.terminate()
