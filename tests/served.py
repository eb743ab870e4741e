"""The demo, served by a process of its own, and clients of it."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXPORT = re.compile(r"export (?P<name>\w+)=(?P<value>.*)\n")


def clean_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CHARGEBACK_"))}


def chargeback(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """One command in a process of its own, with nothing of AWS or chargeback but what *environment* gives."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        env=clean_environment() | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@contextmanager
def serving_demo(directory: Path) -> Iterator[dict[str, str]]:
    """Run `chargeback demo --serve` in *directory*; yields what it says to export."""
    log = directory.with_suffix(".log")
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "pipeline", "demo", "--serve", "--directory", str(directory)],
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        environment: dict[str, str] = {}
        for line in process.stdout:
            if match := EXPORT.fullmatch(line):
                environment[match["name"]] = shlex.split(match["value"])[0]
            if "CHARGEBACK_CUR_TABLE" in environment:
                break
        else:
            raise AssertionError(f"the demo ended early: {log.read_text(encoding='utf-8')}")
        try:
            yield environment
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
