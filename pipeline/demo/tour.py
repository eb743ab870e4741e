"""The demo's tour: the commands that a user would run, run on the embedded stack, and what to try next."""

import gc
import json
import shlex
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import TextIO

from rich.console import Console

from pipeline.demo.bill.truth import true_bill
from pipeline.demo.stack import BILL_TABLE, DATABASE, Stack, keep, running
from pipeline.errors import ChargebackError
from pipeline.window import rfc3339

_REPORTS = ("job", "virtual-cluster")
_DASHBOARD = "dashboard.html"
_FORMATS = ("csv", "json")
_PREPARATION = ("collect", "publish", "verify")


def tour(directory: Path, *, serve: bool) -> None:
    """Run collect, publish, verify and report on a stack in *directory*; with *serve* leave it up until interrupted.

    Raises:
        ChargebackError: one of the commands failed; it has said why.
    """
    gc.set_threshold(100_000, 20, 100)  # the estate's objects stay: to look through them often takes a tenth of it all
    console = Console(stderr=True)
    console.rule("EMR on EKS chargeback: the whole pipeline on a simulated estate")
    console.print("Starting Kubecost, S3, Glue, Athena and EMR on loopback; writing two days of bill …")
    stdout = sys.stderr if serve else None  # then stdout holds the export lines and nothing else
    with running(directory / "s3") as stack:
        for command in _PREPARATION:
            _run(stack, console, command, stdout=stdout)
            keep(stack, directory / "s3")
        reports = directory / "reports"
        reports.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(2) as beside:  # writes the files while the tables are shown
            files = [
                beside.submit(_run, stack, None, "report", "--by", by, "--format", form, "-o", f"{reports / by}.{form}")
                for by, form in product(_REPORTS, _FORMATS)
            ]
            page = str(reports / _DASHBOARD)
            files.append(beside.submit(_run, stack, None, "report", "--format", "html", "-o", page))
            for by in _REPORTS:
                _run(stack, console, "report", "--by", by, stdout=stdout)
        for file in files:
            file.result()
        _compare_with_truth(stack, reports / "job.json", console)
        _say_where(directory, console)
        if serve:
            _serve(stack, console)
            keep(stack, directory / "s3")


def _run(stack: Stack, console: Console | None, command: str, *arguments: str, stdout: TextIO | None = None) -> None:
    """Run one command of ours as a user would: in a process of its own, with the stack's environment."""
    words = [command, *arguments, "--now", rfc3339(stack.now)]
    if console is not None:
        console.print(f"\n[bold]$ chargeback {shlex.join(words)}[/bold]", highlight=False, soft_wrap=True)
    done = subprocess.run(  # noqa: S603  our own command line
        [sys.executable, "-m", "pipeline", *words], env=stack.client_environment(), stdout=stdout, check=False
    )
    if done.returncode != 0:
        raise ChargebackError(f"`chargeback {shlex.join(words)}` ended with exit code {done.returncode}.")


def _compare_with_truth(stack: Stack, report: Path, console: Console) -> None:
    """Set the report's total beside what the bill truly charges for the simulated estate."""
    truth = true_bill(stack.estate)
    idle = sum(hour.idle_cost for hour in truth.instance_hours)
    told = json.loads(report.read_text(encoding="utf-8"))["total"]["total"]
    console.print(
        f"\nThe estate truly cost {truth.effective_cost():,.2f} USD, {idle:,.2f} USD of it for what stood idle. "
        f"The report's total is {told:,.2f} USD.",
        soft_wrap=True,
    )


def _say_where(directory: Path, console: Console) -> None:
    query = f"SELECT job_id, vc_id, sum(totalcost) AS cost FROM {DATABASE}.compute_cost GROUP BY 1, 2"  # noqa: S608
    console.print(
        f"""
The data lies in {directory}: the lake and the bill in s3/, the reports in reports/ (CSV and JSON).
The dashboard is one file; open it in a browser: {directory / "reports" / _DASHBOARD}
A second run changes nothing there. Try next:

  chargeback demo --serve     leave the stack up, and query it with any client:
    chargeback report --by label:team      chargeback report --by spark-role      chargeback verify
    {query}
""",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _serve(stack: Stack, console: Console) -> None:
    """Print how to reach the stack, and wait to be interrupted."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in stack.environment.items()]
    print("\n".join(lines), flush=True)  # noqa: T201  to be pasted, or read by `eval`
    console.print(
        f"\nThe stack is up; it is {rfc3339(stack.now)} there. The bill is {DATABASE}.{BILL_TABLE}. "
        "Paste the lines above into another terminal. Ctrl-C stops it.",
        highlight=False,
        soft_wrap=True,
    )
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("Stopped.")
