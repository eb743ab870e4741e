"""Whether the demo's costs, or a file of yours, conform to FOCUS: `python -m focus.run`."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from focus.report import CANNOT_PASS, Report, parse
from focus.validator import VERSION, validate
from pipeline.demo.stack import DATABASE, RESULTS_BUCKET, WORKGROUP, running
from pipeline.errors import ChargebackError
from pipeline.window import rfc3339


@click.command()
@click.option("--environment", required=True, type=click.Path(path_type=Path, exists=True), help="The validator's.")
@click.option(
    "--data", type=click.Path(path_type=Path, exists=True), help="A Parquet file; the demo's costs unless given."
)
def main(environment: Path, data: Path | None) -> None:
    """Validate, print what each column passed, and fail on any failure but those that no data can avoid."""
    try:
        with TemporaryDirectory() as directory:
            file = data or _demo_costs(Path(directory))
            rows = pq.read_metadata(file).num_rows
            if not rows:
                raise click.ClickException(f"{file} has no rows; nothing can be said of it.")
            report = parse(validate(environment, file))
    except ChargebackError as error:
        raise click.ClickException(str(error)) from error
    show(report, rows)
    if report.unexpected:
        raise click.ClickException(f"{len(report.unexpected)} rules of FOCUS {VERSION} fail.")


def show(report: Report, rows: int) -> None:
    """Print a table of the outcomes, and each failure with what the specification says."""
    console = Console()
    table = Table("", "pass", "fail", "skipped", title=f"FOCUS {VERSION} on {rows:,} rows", box=None)
    for subject, outcomes in [*report.by_subject().items(), ("total", report.total())]:
        table.add_row(subject, *(str(outcomes[name] or "") for name in ("PASS", "FAIL", "SKIPPED")))
    console.print(table)
    for failure in report.failures:
        excuse = ", as no data can pass both it and its opposite" if failure.rule in CANNOT_PASS else ""
        console.print(f"{failure.rule} fails ({failure.violations}){excuse}: {failure.text}", soft_wrap=True)


def _demo_costs(directory: Path) -> Path:
    """Run the demo's pipeline up to its views, in processes as a user would, and unload the view."""
    costs = directory / "emr_costs_focus.parquet"
    with running(directory / "s3") as stack:
        now = rfc3339(stack.now)
        place = ["--database", DATABASE, "--workgroup", WORKGROUP, "--staging", f"s3://{RESULTS_BUCKET}/focus/"]
        for words in (
            ["pipeline", "collect", "--now", now],
            ["pipeline", "publish", "--now", now],
            ["focus.unload", *place, str(costs)],
        ):
            run = subprocess.run(  # noqa: S603  our own command lines
                [sys.executable, "-m", *words],
                env=stack.client_environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            if run.returncode:
                raise ChargebackError(f"`{' '.join(words[:2])}` ended with exit code {run.returncode}:\n{run.stderr}")
    return costs


if __name__ == "__main__":
    main()
