"""What is measured against what, and what must hold."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import urllib3

from benchmarks.processes import Cost, cost_of, serving

DAY = "2026-10-13"
_FIRST_HOUR = (f"{DAY}T00:00Z", f"{DAY}T01:00Z")
_LAST_HOUR = (f"{DAY}T23:00Z", "2026-10-14T00:00Z")
_FIFTEEN_DAYS = ("2026-09-29T00:00Z", "2026-10-14T00:00Z")
_NOW = "2026-10-14T02:00Z"
_ANSWER_SECONDS = 0.1


@dataclass(frozen=True)
class Result:
    """What *ours* cost in comparison with a *base*; a limit of None is none."""

    what: str
    base_name: str
    base: Cost
    ours: Cost
    wall_limit: float
    peak_limit_mb: float | None

    @property
    def wall(self) -> float:
        """Our wall time in those of the base."""
        return self.ours.seconds / self.base.seconds

    @property
    def more_mb(self) -> float:
        """Our peak memory beyond that of the base, MB."""
        return self.ours.peak_mb - self.base.peak_mb

    @property
    def holds(self) -> bool:
        """Whether both limits are kept."""
        return self.wall <= self.wall_limit and (self.peak_limit_mb is None or self.more_mb <= self.peak_limit_mb)


@dataclass(frozen=True)
class Bench:
    """A running Kubecost and a running S3, whose objects lie in *directory*."""

    kubecost: str
    directory: Path
    environment: Mapping[str, str]

    def floor(self) -> Cost:
        """One first write of a day by the floor."""
        self._clear()
        start = _FIRST_HOUR[0].replace("Z", "+00:00")
        return cost_of(["benchmarks.floor", self.kubecost, "s3://lake/floor", start], self.environment)

    def first(self) -> Cost:
        """One first write of a day by us."""
        self._clear()
        return self._collect(_FIRST_HOUR)

    def last(self, full_day: Path) -> Cost:
        """One write of the 24th hour into a copy of *full_day*, which has the other 23."""
        self._clear()
        shutil.copytree(full_day, self.directory / "lake")
        return self._collect(_LAST_HOUR)

    def backfill(self) -> Cost:
        """One run over fifteen days."""
        self._clear()
        return self._collect(_FIFTEEN_DAYS)

    def asking(self) -> Cost:
        """The same questions, and nothing done with the answers."""
        since, until = (instant.replace("Z", "+00:00") for instant in _FIFTEEN_DAYS)
        return cost_of(["benchmarks.asking", self.kubecost, since, until], self.environment)

    def fill_day(self) -> Path:
        """Make a day of 23 hours, to be copied."""
        self.first()
        cost_of(["benchmarks.full_day", str(self.directory / "lake" / "chargeback")], self.environment)
        return (self.directory / "lake").rename(self.directory / "full-day")

    def warm(self, hours: tuple[str, str]) -> None:
        """Have the server write an hour into its answers before the clock starts."""
        window = ",".join(instant.replace("Z", ":00Z") for instant in hours)
        for path in ("assets", "allocation"):
            url = f"{self.kubecost}/model/{path}?{urlencode({'window': window})}"
            answer = urllib3.request("GET", url, preload_content=False)
            for _ in answer.stream(1 << 16):
                pass

    def _collect(self, hours: tuple[str, str]) -> Cost:
        since, until = hours
        arguments = ["collect", "--skip-emr", "--since", since, "--until", until, "--now", _NOW]
        return cost_of(["pipeline", *arguments], self.environment)

    def _clear(self) -> None:
        shutil.rmtree(self.directory / "lake", ignore_errors=True)


@contextmanager
def bench(
    count: int, environment: Mapping[str, str], *, volumes: bool = False, seconds: float = 0.0
) -> Iterator[Bench]:
    """Start both servers for hours of *count* containers; Kubecost works *seconds* at each."""
    asked = ["--containers", str(count), "--seconds", str(seconds), *(["--volumes"] if volumes else [])]
    with (
        TemporaryDirectory(prefix="chargeback-bench-") as directory,
        serving("benchmarks.upstream", *asked) as kubecost,
        serving("benchmarks.storage", directory) as s3,
    ):
        ours = {"AWS_ENDPOINT_URL": s3, "CHARGEBACK_KUBECOST_URL": kubecost}
        yield Bench(kubecost, Path(directory), {**environment, **ours})


def against_floor(
    count: int,
    environment: Mapping[str, str],
    repeat: int,
    *,
    wall_limit: float,
    peak_limit_mb: float = 0.0,
    volumes: bool = False,
) -> Result:
    """The first write of a day, next to the floor's."""
    with bench(count, environment, volumes=volumes) as at:
        at.warm(_FIRST_HOUR)
        pairs = [(at.floor(), at.first()) for _ in range(repeat)]
    what = f"an hour of {count:,} containers" + (", 30 % of the executors with a volume" if volumes else "")
    base, ours = (Cost.typical(costs) for costs in zip(*pairs, strict=True))
    return Result(what, "floor", base, ours, wall_limit, peak_limit_mb)


def last_hour(count: int, environment: Mapping[str, str], repeat: int, *, wall_limit: float) -> Result:
    """The 24th hour of a day, next to the first."""
    with bench(count, environment) as at:
        at.warm(_FIRST_HOUR)
        at.warm(_LAST_HOUR)
        full_day = at.fill_day()
        pairs = [(at.first(), at.last(full_day)) for _ in range(repeat)]
    base, ours = (Cost.typical(costs) for costs in zip(*pairs, strict=True))
    return Result(f"the 24th hour of {count:,} containers", "first hour", base, ours, wall_limit, None)


def backfill(count: int, environment: Mapping[str, str], *, wall_limit: float) -> Result:
    """Fifteen days, next to the time that the server takes by itself."""
    retention = {"CHARGEBACK_HOURLY_RETENTION": "30d"}
    with bench(count, {**environment, **retention}, seconds=_ANSWER_SECONDS) as at:
        base, ours = at.asking(), at.backfill()
    what = f"15 days of {count:,} containers an hour, {_ANSWER_SECONDS} s an answer"
    return Result(what, "the server alone", replace(base, peak_mb=ours.peak_mb), ours, wall_limit, None)
