"""A command in a process of its own that need not import anything first: it is forked from one that has.

Most of what a short run costs is importing pyarrow, boto3 and pandas; the tests make hundreds of runs.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    [
        *("pipeline.cli", "pipeline.analytics", "pipeline.hourly", "pipeline.output", "pipeline.report"),
        *("pipeline.runs", "awswrangler", "pyathena.sqlalchemy.rest", "tests.forked_from"),
    ]
)


class Command:
    """`chargeback` at work, with that environment and no other; has what is needed of `subprocess.Popen[str]`."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self.args = ["chargeback", *arguments]
        self._said = TemporaryDirectory()
        folder = Path(self._said.name)
        self._stdout, self._stderr = folder / "stdout", folder / "stderr"
        told = (self.args, dict(environment), os.fspath(self._stdout), os.fspath(self._stderr))
        self._process = _PROCESSES.Process(target=_run, args=told)
        self._process.start()

    def __enter__(self) -> "Command":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.join()
        self._said.cleanup()

    @property
    def returncode(self) -> int | None:
        """The exit code, or the signal that ended it as a negative number; None while it runs."""
        return self._process.exitcode

    def send_signal(self, signal: int) -> None:
        """Send *signal*, if it still runs."""
        with suppress(ProcessLookupError):
            if self._process.is_alive() and self._process.pid is not None:
                os.kill(self._process.pid, signal)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; `subprocess.TimeoutExpired` if that takes longer than so many seconds."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it said, once it has ended."""
        self.wait(timeout)
        return self._stdout.read_text(encoding="utf-8"), self._stderr.read_text(encoding="utf-8")


def _run(arguments: list[str], environment: dict[str, str], stdout: str, stderr: str) -> None:
    for descriptor, path in ((1, stdout), (2, stderr)):
        written = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(written, descriptor)
        os.close(written)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    from pipeline.cli import main

    main()
