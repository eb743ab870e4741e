"""The order of a measurement: publish, deliver, refresh and ask; and once more with Trino's reader as it is shipped."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import boto3
import click
import urllib3

from benchmarks.processes import cost_of, serving
from benchmarks.reading.account import SERVED
from benchmarks.reading.delivery import BILL_TABLE, BUCKET, Delivered, Delivery, Size
from benchmarks.reading.engine import Engine, Reading
from benchmarks.reading.least import Files, least_bytes, tail_bytes
from benchmarks.reading.questions import PER_JOB, PER_JOB_OF_SAMPLE, Question, marts, of_examples
from tests.trino.server import AS_ASKED, AS_SHIPPED, CATALOG, Reader, running

_BEFORE, _AFTER = "2026-10-01T00:00Z", "2026-11-02T00:00Z"


@dataclass(frozen=True)
class Line:
    """What was read by a reader that reads what is *asked* for and no more, and by one *as_shipped*; bytes.

    *least* is what had to be read, *tails* the ends of files that say where it is, *served* what S3 gave to the first
    of the readers, and to the counting of this.
    """

    what: str
    asked: Reading
    least: int
    tails: int
    served: int
    as_shipped: Reading | None = None

    @property
    def ratio(self) -> float:
        """What was read of the data, in comparison to the least."""
        # Of a file of which it needs no row Trino does not count the end.
        return max(self.asked.read - self.tails, 0) / self.least


@dataclass(frozen=True)
class Measured:
    """What was delivered, and what was read of it; *of_bill* is the part of the refresh's least that is the bill's."""

    size: Size
    delivered: Delivered
    refresh: Line
    of_bill: int
    per_job: Line
    of_sample: Reading
    marts: tuple[Line, ...] = ()
    examples: tuple[Line, ...] = ()


def measured(environment: Mapping[str, str], size: Size, memory_gb: int, *, every_question: bool) -> Measured:
    """Measure one *size*: the refresh, and what jobs cost; with *every_question* also all others, and both readers."""
    with serving("benchmarks.reading.account") as endpoint:
        bench = _Bench({**environment, "AWS_ENDPOINT_URL": endpoint}, size, memory_gb)
        result = bench.first(every_question=every_question)
        return bench.again(result) if every_question else result


class _Bench:
    """One size in one account."""

    def __init__(self, environment: Mapping[str, str], size: Size, memory_gb: int) -> None:
        session = boto3.Session(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_DEFAULT_REGION"],
        )
        self._endpoint = environment["AWS_ENDPOINT_URL"]
        s3 = session.client("s3", endpoint_url=self._endpoint)
        glue = session.client("glue", endpoint_url=self._endpoint)
        s3.create_bucket(Bucket=BUCKET)
        self._size = size
        self._delivery = Delivery(s3, glue, size)
        self._files = Files(glue, s3)
        self._memory_gb = memory_gb
        self._environment = {
            **environment,
            "CHARGEBACK_CLUSTER_ARN": self._delivery.months[0].cluster.arn,
            "CHARGEBACK_LAKE": self._delivery.lake.uri(),
            "CHARGEBACK_GLUE_DATABASE": self._delivery.database,
            "CHARGEBACK_CUR_TABLE": self._delivery.bill_table,
        }

    def first(self, *, every_question: bool) -> Measured:
        """Deliver, refresh and ask."""
        self._delivery.declare()
        with self._trino(AS_ASKED) as engine:
            self._chargeback(engine, "publish", "--now", _BEFORE)
            delivered = self._delivery.deliver()
            _say(f"{delivered.pod_hours:,} pod-hours, {delivered.lines:,} lines, ours {delivered.own_lines:,}")
            refresh = self._line("chargeback refresh", partial(self._refreshed, engine))
            of_bill = [scan for scan in refresh.asked.scans if scan.table == BILL_TABLE]
            result = Measured(
                size=self._size,
                delivered=delivered,
                refresh=refresh,
                of_bill=least_bytes(of_bill, self._files.of),
                per_job=self._line("cost per job run", partial(engine.ask, PER_JOB)),
                of_sample=engine.ask(PER_JOB_OF_SAMPLE),
            )
            if not every_question:
                return result
            return replace(
                result,
                marts=self._answered(engine, marts(engine.columns)),
                examples=self._answered(engine, of_examples(self._delivery.months[0])),
            )

    def again(self, result: Measured) -> Measured:
        """Ask the same of a Trino whose reader is as it is shipped."""
        with self._trino(AS_SHIPPED) as engine:
            asked = {each.name: each.sql for each in (*marts(engine.columns), *of_examples(self._delivery.months[0]))}

            def shipped(line: Line, reading: Reading) -> Line:
                _say(f"{line.what}: as shipped {reading.read:,} bytes")
                return replace(line, as_shipped=reading)

            return replace(
                result,
                per_job=shipped(result.per_job, engine.ask(PER_JOB)),
                marts=tuple(shipped(line, engine.ask(asked[line.what])) for line in result.marts),
                examples=tuple(shipped(line, engine.ask(asked[line.what])) for line in result.examples),
                refresh=shipped(result.refresh, self._refreshed(engine)),
            )

    def _refreshed(self, engine: Engine) -> Reading:
        seen = engine.seen()
        cost = self._chargeback(engine, "refresh", "--month", "2026-10", "--now", _AFTER)
        return engine.others(seen, cost)

    def _answered(self, engine: Engine, questions: Iterable[Question]) -> tuple[Line, ...]:
        return tuple(self._line(each.name, partial(engine.ask, each.sql)) for each in questions)

    def _line(self, what: str, read: Callable[[], Reading]) -> Line:
        before = self._served()
        reading = read()
        scans = [self._files.spelt_out(scan) for scan in reading.scans]
        least, tails = least_bytes(scans, self._files.of), tail_bytes(scans, self._files.of)
        line = Line(what, reading, least, tails, self._served() - before)
        _say(f"{what}: {reading.read:,} bytes, {line.ratio:.2f} of the least, {reading.seconds:.1f} s")
        return line

    def _served(self) -> int:
        """How many bytes S3 has served by now."""
        return int(urllib3.request("GET", f"{self._endpoint}{SERVED}").data)

    def _chargeback(self, engine: Engine, *arguments: str) -> float:
        """Run the command, and return how many seconds it took."""
        return cost_of(["pipeline", *arguments], {**self._environment, "CHARGEBACK_SQL_URL": engine.url}).seconds

    @contextmanager
    def _trino(self, reader: Reader) -> Iterator[Engine]:
        _say("Trino starts …")
        probe = f"SELECT COUNT(*) FROM {CATALOG}.{self._delivery.bill_table}"  # noqa: S608  a name of ours
        with running(
            self._endpoint, probe=probe, database=self._delivery.database, reader=reader, memory_gb=self._memory_gb
        ) as url:
            yield Engine(url)


def _say(line: str) -> None:
    click.echo(line, err=True)
