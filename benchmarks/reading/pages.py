"""How the measurements are written down, and which goals they keep."""

from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.reading.engine import Reading
from benchmarks.reading.measuring import Line, Measured

RATIO_LIMIT = 1.2
TIMES_LIMIT = 50.0
GROWTH_LIMIT = 1.1

_MB = 1e6


def page(whole: Measured, by_clusters: Sequence[Measured]) -> str:
    """What is read of one large cluster, beside the sample's layout, and as clusters are added."""
    return "\n".join((_sizes(whole), _questions(whole), _beside_sample(whole), _by_clusters(by_clusters)))


def examples_table(whole: Measured) -> str:
    """What each example query reads, beside the CSV that the sample would read for any question."""
    rows = [
        (
            f"`{line.what}`",
            _mb(line.asked.read),
            _mb(line.least),
            f"{line.ratio:.2f}",
            f"{line.asked.seconds:.1f}",
            _mb(whole.of_sample.read),
        )
        for line in whole.examples
    ]
    return _table(("query", "MB read", "least possible", "ratio", "seconds", "AWS sample's CSV, MB"), rows)


def broken(whole: Measured, by_clusters: Sequence[Measured]) -> Iterator[str]:
    """The goals that do not hold, each with what was measured."""
    for line in (whole.refresh, whole.per_job, *whole.marts, *whole.examples):
        if line.ratio > RATIO_LIMIT:
            yield f"{line.what} reads {line.ratio:.2f} times the least (at most {RATIO_LIMIT:g})"
    if times(whole) < TIMES_LIMIT:
        yield f"the sample reads {times(whole):.0f} times as much (at least {TIMES_LIMIT:g})"
    if by_clusters:
        few, many = by_clusters[0], by_clusters[-1]
        for what in ("refresh", "per_job"):
            growth = _a_pod_hour(many, getattr(many, what)) / _a_pod_hour(few, getattr(few, what))
            if growth > GROWTH_LIMIT:
                yield f"{what} of {many.size.clusters} clusters reads {growth:.2f} times as much a pod-hour"


def times(whole: Measured) -> float:
    """How many times as much as ours the sample's layout reads for what each job run of the month cost."""
    return whole.of_sample.read / whole.per_job.asked.read


def _sizes(whole: Measured) -> str:
    of = whole.delivered
    return (
        f"One cluster with {of.pod_hours:,} pod-hours in 30 days, and a month's bill of {of.lines:,} lines, of which "
        f"{of.own_lines:,} are the cluster's. `refresh` needs {whole.of_bill / of.lines:.1f} bytes of a line, and "
        f"{(whole.refresh.least - whole.of_bill) / of.pod_hours:.1f} of a pod-hour.\n"
    )


def _questions(whole: Measured) -> str:
    heading = (
        "what",
        "read, MB",
        "ends of files, MB",
        "least, MB",
        "ratio",
        "bytes a pod-hour",
        "seconds",
        "as shipped, MB",
        "read again",
    )
    groups = (("", (whole.refresh, whole.per_job)), ("view ", whole.marts), ("example ", whole.examples))
    rows = [
        (
            f"{kind}`{line.what}`" if kind else line.what,
            _mb(line.asked.read),
            _mb(line.tails),
            _mb(line.least),
            f"{line.ratio:.2f}",
            f"{_a_pod_hour(whole, line):.1f}",
            f"{line.asked.seconds:.1f}",
            _mb(line.as_shipped.read) if line.as_shipped else "",
            _again(line.asked),
        )
        for kind, lines in groups
        for line in lines
    ]
    return _table(heading, rows)


def _beside_sample(whole: Measured) -> str:
    rows = [
        (what, _mb(reading.read), f"{reading.read / whole.delivered.pod_hours:.1f}", f"{reading.seconds:.1f}")
        for what, reading in (("`job_run_costs`", whole.per_job.asked), ("the sample's CSV", whole.of_sample))
    ]
    said = f"{times(whole):.0f} times as many bytes (at least {TIMES_LIMIT:g})"
    return (
        _table(("what each job run of the month cost", "read, MB", "bytes a pod-hour", "seconds"), rows)
        + f"\n{said}.\n"
    )


def _by_clusters(measured: Sequence[Measured]) -> str:
    if not measured:
        return "As clusters are added: not measured with these (`--clusters`)."
    heading = (
        "clusters",
        "pod-hours",
        "lines",
        "refresh reads, MB",
        "bytes a pod-hour",
        "seconds",
        "cost per job run reads, MB",
        "bytes a pod-hour",
    )
    rows = [
        (
            str(one.size.clusters),
            f"{one.delivered.pod_hours:,}",
            f"{one.delivered.lines:,}",
            _mb(one.refresh.asked.read),
            f"{_a_pod_hour(one, one.refresh):.0f}",
            f"{one.refresh.asked.seconds:.0f}",
            _mb(one.per_job.asked.read),
            f"{_a_pod_hour(one, one.per_job):.1f}",
        )
        for one in measured
    ]
    return _table(heading, rows)


def _again(reading: Reading) -> str:
    """The tables that are read more than once, and how often."""
    count = Counter(scan.table for scan in reading.scans)
    return ", ".join(f"{table} ({often} times)" for table, often in sorted(count.items()) if often > 1)


def _a_pod_hour(of: Measured, line: Line) -> float:
    return line.asked.read / of.delivered.pod_hours


def _mb(count: int) -> str:
    return f"{count / _MB:.1f}" if count >= _MB / 10 else f"{count / _MB:.3f}"


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heading)} |", f"|{' --- |' * len(heading)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"
