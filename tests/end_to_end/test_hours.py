"""Downtime, day sets, lost hours, and the calendar that shows them."""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from pipeline import connections, footer
from pipeline.collect import Collector
from pipeline.footer import WindowState
from pipeline.settings import CollectSettings, read_settings
from pipeline.window import DAY, HOUR, Window, hours, parse_instant, rfc3339
from tests.captures import Answer, Request, json_answer, serving
from tests.conftest import CLUSTER_ARN
from tests.end_to_end.test_collect import run

MONDAY = parse_instant("2026-11-16T00:00:00Z")
KEY = "chargeback/allocations/usage_date={}/111122223333_us-east-1_analytics-prod.parquet"

Load = Callable[[Window], float | None]
"""Core-hours that upstream knows of a window; None where it has none of it."""


def kubecost(load: Load, cluster: str = "c") -> Callable[[Request], Answer]:
    """A Kubecost with one pod on one node of *cluster*, which had *load*."""

    def answer(request: Request) -> Answer:
        start, _, end = request.parameters["window"][0].partition(",")
        window = Window(parse_instant(start), parse_instant(end))
        core_hours = load(window)
        if core_hours is None:
            return json_answer({"code": 200, "data": [{}]})
        times = {"window": {"start": start, "end": end}, "minutes": window.length / timedelta(minutes=1)}
        if request.path == "/model/assets":
            of = {"cluster": cluster, "name": "n1", "providerID": "i-0123456789abcdef0"}
            node = {"type": "Node", "properties": of, **times}
            return json_answer({"code": 200, "data": [{"n1": node}]})
        row = {
            "name": "c/n1/default/web/web",
            "properties": {"cluster": cluster, "node": "n1", "providerID": "i-0123456789abcdef0",
                           "namespace": "default", "pod": "web", "container": "web"},
            "cpuCoreHours": core_hours, "totalCost": core_hours / 10, **times,
        }  # fmt: skip
        return json_answer({"code": 200, "data": [{row["name"]: row}]})

    return answer


@pytest.fixture
def environment(bucket: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("CHARGEBACK_CLUSTER_ARN", CLUSTER_ARN)
    monkeypatch.setenv("CHARGEBACK_LAKE", f"s3://{bucket}/chargeback")
    return monkeypatch


@pytest.fixture
def at(environment: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Collect at a time, from an upstream with some load."""

    def collect(now: datetime, load: Load, *arguments: str, cluster: str = "c") -> Result:
        with serving(kubecost(load, cluster)) as upstream:
            environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
            return run("collect", "--now", rfc3339(now), *arguments)

    return collect


def keeps(since: datetime, now: datetime, retention: timedelta = 49 * HOUR) -> Load:
    """An upstream whose history begins at *since* and that at *now* keeps hours for *retention*, days for ever."""

    def load(window: Window) -> float | None:
        if window.end <= since or (window.length == HOUR and now - window.start > retention):
            return None
        begun = max(window.start, since)
        return (window.end - begun) / HOUR

    return load


def records(day: datetime) -> list[footer.WindowRecord]:
    body = boto3.client("s3").get_object(Bucket="lake", Key=KEY.format(f"{day:%Y-%m-%d}"))["Body"].read()
    return sorted(footer.decode(pq.read_metadata(BytesIO(body)).metadata, KEY), key=lambda r: r.window)


def rows(day: datetime) -> list[dict[str, Any]]:
    body = boto3.client("s3").get_object(Bucket="lake", Key=KEY.format(f"{day:%Y-%m-%d}"))["Body"].read()
    found: list[dict[str, Any]] = pq.read_table(BytesIO(body)).to_pylist()
    return found


def test_downtime_shorter_than_retention_costs_nothing_but_time(at: Callable[..., Result]) -> None:
    now = MONDAY + 12 * HOUR
    assert at(now, keeps(MONDAY, now)).exit_code == 0
    later = now + 40 * HOUR
    assert at(later, keeps(MONDAY, later)).exit_code == 0
    assert [r.window for r in records(MONDAY)] == list(hours(MONDAY, MONDAY + DAY))
    assert len(records(MONDAY + DAY)) == 24


def test_after_longer_downtime_a_day_with_gaps_becomes_its_set(at: Callable[..., Result]) -> None:
    now = MONDAY + 12 * HOUR
    assert at(now, keeps(MONDAY, now)).exit_code == 0
    assert len(records(MONDAY)) == 10
    later = MONDAY + 4 * DAY
    assert at(later, keeps(MONDAY, later)).exit_code == 0
    (day,) = records(MONDAY)
    assert (day.window, day.state, day.core_hours) == (Window(MONDAY, MONDAY + DAY), WindowState.SETTLED, 24.0)
    (row,) = rows(MONDAY)
    assert (row["window_end"] - row["window_start"], row["cpu_core_hours"]) == (DAY, 24.0), "never hours beside it"
    asked = rows(MONDAY)
    assert at(later + HOUR, keeps(MONDAY, later)).exit_code == 0
    assert rows(MONDAY) == asked


def test_a_days_set_that_is_worse_than_the_hours_leaves_them_and_the_rest_is_lost_once(
    at: Callable[..., Result],
) -> None:
    now = MONDAY + 12 * HOUR
    assert at(now, keeps(MONDAY, now)).exit_code == 0
    stored = rows(MONDAY)
    later = MONDAY + 4 * DAY

    def poor(window: Window) -> float | None:
        return 1.0 if window.length == DAY else keeps(MONDAY, later)(window)

    result = at(later, poor)
    assert result.exit_code == 65
    assert "14 hours of 2026-11-16 are lost" in str(result.exception)
    assert rows(MONDAY) == stored
    states = [record.state for record in records(MONDAY)]
    assert states.count(WindowState.LOST) == 14
    assert at(later + HOUR, poor).exit_code == 0, "it is said once"


def test_a_day_that_upstream_no_longer_has_is_an_object_without_rows(at: Callable[..., Result]) -> None:
    now = MONDAY + 12 * HOUR
    assert at(now, keeps(MONDAY, now)).exit_code == 0
    later = MONDAY + 4 * DAY + 12 * HOUR

    def forgot(window: Window) -> float | None:
        return None if window.start < later - 49 * HOUR else 1.0

    assert at(later, forgot).exit_code == 65
    tuesday = MONDAY + DAY
    assert {record.state for record in records(tuesday)} == {WindowState.LOST}
    assert rows(tuesday) == []
    assert at(later + HOUR, forgot).exit_code == 0


def test_what_was_lost_can_be_recollected_when_upstream_has_it_again(at: Callable[..., Result]) -> None:
    now = MONDAY + 12 * HOUR
    assert at(now, keeps(MONDAY, now)).exit_code == 0
    later = MONDAY + 4 * DAY
    assert at(later, lambda w: None if w.start < later - 49 * HOUR else 1.0).exit_code == 65
    span = ("--since", rfc3339(MONDAY), "--until", rfc3339(MONDAY + DAY), "--recollect")
    assert at(later + HOUR, keeps(MONDAY, later), *span).exit_code == 0
    (day,) = records(MONDAY)
    assert day.core_hours == 24.0


def test_a_first_run_takes_earlier_days_from_their_sets_and_calls_nothing_lost(at: Callable[..., Result]) -> None:
    now = MONDAY + 5 * DAY + 3 * HOUR
    began = MONDAY + DAY + 6 * HOUR
    assert at(now, keeps(began, now)).exit_code == 0
    with pytest.raises(boto3.client("s3").exceptions.NoSuchKey):
        records(MONDAY)
    (tuesday,) = records(MONDAY + DAY)
    assert (tuesday.window.length, tuesday.core_hours) == (DAY, 18.0)


def test_hours_before_history_are_no_gaps_of_the_day_on_which_it_began(at: Callable[..., Result]) -> None:
    began = MONDAY + 6 * HOUR
    now = MONDAY + DAY + 12 * HOUR
    assert at(now, keeps(began, now)).exit_code == 0
    later = MONDAY + 3 * DAY + 12 * HOUR
    assert at(later, keeps(began, later)).exit_code == 0
    assert [record.window for record in records(MONDAY)] == list(hours(began, MONDAY + DAY)), "still by the hour"


def test_downtime_longer_than_the_look_back_costs_nothing_but_time(at: Callable[..., Result]) -> None:
    now = MONDAY + 12 * HOUR
    assert at(now, keeps(MONDAY, now)).exit_code == 0
    later = MONDAY + 20 * DAY + 12 * HOUR
    assert at(later, keeps(MONDAY, later)).exit_code == 0
    assert [sum(r.core_hours for r in records(MONDAY + n * DAY)) for n in range(18)] == [24.0] * 18
    span = ("--since", rfc3339(MONDAY), "--until", rfc3339(MONDAY + 18 * DAY), "--now", rfc3339(later))
    document = json.loads(run("status", "--format", "json", *span).stdout)
    assert document["hours"] == dict.fromkeys(document["hours"], 0) | {"settled": 18 * 24}


def test_part_of_a_day_of_which_upstream_has_the_set_only_is_fetched_with_the_whole_day(
    at: Callable[..., Result], caplog: pytest.LogCaptureFixture
) -> None:
    later = MONDAY + 10 * DAY
    span = ("--since", rfc3339(MONDAY + 5 * HOUR), "--until", rfc3339(MONDAY + 10 * HOUR))
    result = at(later, keeps(MONDAY, later), *span)
    assert result.exit_code == 0
    assert "fetched as their whole day" in result.stderr
    (day,) = records(MONDAY)
    assert (day.window, day.core_hours) == (Window.whole_day(MONDAY.date()), 24.0)


def test_recollecting_a_day_of_which_upstream_has_the_set_only_takes_that_for_the_stored_hours(
    at: Callable[..., Result],
) -> None:
    now = MONDAY + DAY + 12 * HOUR
    assert at(now, keeps(MONDAY, now)).exit_code == 0
    later = MONDAY + 10 * DAY
    span = ("--since", rfc3339(MONDAY + 5 * HOUR), "--until", rfc3339(MONDAY + 6 * HOUR), "--recollect")
    assert at(later, lambda window: 20.0 if window.length == DAY else None, *span).exit_code == 0
    assert [(r.window.length, r.core_hours) for r in records(MONDAY)] == [(DAY, 20.0)]
    assert len(rows(MONDAY)) == 1, "no hour beside it"


def test_hours_of_another_cluster_are_refused_and_those_of_ours_stay(at: Callable[..., Result]) -> None:
    now = MONDAY + 12 * HOUR
    assert at(now, keeps(MONDAY, now)).exit_code == 0
    stored = rows(MONDAY)
    result = at(now + 2 * HOUR, keeps(MONDAY, now + 2 * HOUR), cluster="d")
    assert result.exit_code == 78
    assert "about the cluster 'd', and about 'c' before. Set CHARGEBACK_KUBECOST_CLUSTER_ID" in str(result.exception)
    assert rows(MONDAY) == stored


def test_a_cluster_that_has_no_row_in_an_hour_is_asked_for_again(
    at: Callable[..., Result], environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("CHARGEBACK_KUBECOST_CLUSTER_ID", "c")
    now = MONDAY + 12 * HOUR
    assert at(now, keeps(MONDAY, now)).exit_code == 0
    silent = at(now + HOUR, keeps(MONDAY, now + HOUR), cluster="d")
    assert silent.exit_code == 65
    assert "about d and has no row of 'c'" in str(silent.exception)
    assert at(now + HOUR, keeps(MONDAY, now + HOUR)).exit_code == 0
    assert len(records(MONDAY)) == 11


def test_a_cluster_id_that_upstream_never_named_is_a_setting_to_correct(
    at: Callable[..., Result], environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("CHARGEBACK_KUBECOST_CLUSTER_ID", "C")
    now = MONDAY + 12 * HOUR
    result = at(now, keeps(MONDAY, now))
    assert result.exit_code == 78
    assert "CHARGEBACK_KUBECOST_CLUSTER_ID must be Kubecost's own name of the cluster" in str(result.exception)


def test_an_object_that_cannot_be_read_stops_no_other_day(at: Callable[..., Result]) -> None:
    now = MONDAY + DAY + 12 * HOUR
    assert at(now, keeps(MONDAY, now)).exit_code == 0
    boto3.client("s3").put_object(Bucket="lake", Key=KEY.format("2026-11-16"), Body=b"junk")
    result = at(now + HOUR, keeps(MONDAY, now + HOUR))
    assert result.exit_code == 65
    assert "usage_date=2026-11-16/111122223333_us-east-1_analytics-prod.parquet is not a Parquet" in str(
        result.exception
    )
    assert len(records(MONDAY + DAY)) == 11, "one more than before"
    shown = run("status", "--since", rfc3339(MONDAY), "--now", rfc3339(now + HOUR))
    assert shown.exit_code == 65
    assert "!!!!!! !!!!!! !!!!!! !!!!!!" in shown.stdout
    assert "cccccc ccccc. ...... ......" in shown.stdout


def test_an_hour_that_fails_never_stops_the_next(at: Callable[..., Result]) -> None:
    now = MONDAY + 12 * HOUR
    bad = MONDAY + 4 * HOUR
    result = at(now, lambda window: None if window.start == bad else keeps(MONDAY, now)(window))
    assert result.exit_code == 65
    assert [r.window.start for r in records(MONDAY)] == [MONDAY + n * HOUR for n in range(10) if n != 4]
    assert at(now + HOUR, keeps(MONDAY, now + HOUR)).exit_code == 0
    assert len(records(MONDAY)) == 11, "the next run fills the gap"


def test_an_hour_that_comes_after_its_days_set_is_not_put_beside_it(at: Callable[..., Result]) -> None:
    later = MONDAY + 3 * DAY + 2 * HOUR
    last = MONDAY + 23 * HOUR
    overtaking: list[Result] = []

    def overtaken(window: Window) -> float | None:
        """While the hour is asked for, another run, to whom it is too old, takes the day."""
        if not overtaking:
            span = ("--since", rfc3339(MONDAY), "--until", rfc3339(MONDAY + DAY))
            overtaking.append(at(later, keeps(MONDAY, later), *span))
        return 1.0

    slow = at(last + 49 * HOUR, overtaken, "--since", rfc3339(last), "--until", rfc3339(last + HOUR))
    assert [overtaking[0].exit_code, slow.exit_code] == [0, 0]
    assert [(r.window.length, r.core_hours) for r in records(MONDAY)] == [(DAY, 24.0)]
    assert len(rows(MONDAY)) == 1


@pytest.mark.parametrize(("seconds", "written"), [(0.0, 10), (61.0, 1)], ids=["quickly", "slowly"])
def test_hours_that_come_slowly_do_not_wait_for_the_others_of_their_day(
    seconds: float, written: int, environment: pytest.MonkeyPatch
) -> None:
    now = MONDAY + 12 * HOUR
    with serving(kubecost(keeps(MONDAY, now))) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        settings = read_settings(CollectSettings)
        clock = itertools.count(step=seconds)
        collector = Collector(
            connections.kubecost(settings),
            connections.lake(settings, connections.session(settings)),
            settings.cluster_arn,
            settings.labels,
            now,
            lambda: next(clock),
        )
        outcomes = collector.collect(collector.work(connections.schedule(settings), since=MONDAY))
        next(outcomes)
        assert len(records(MONDAY)) == written, "when the first hour is told of"
        assert len(list(outcomes)) == 9
    assert len(records(MONDAY)) == 10


@contextmanager
def lake_of_two_days(at: Callable[..., Result]) -> Iterator[datetime]:
    now = MONDAY + DAY + 12 * HOUR
    bad = MONDAY + 4 * HOUR
    assert at(now, lambda w: None if w.start == bad or w.end <= MONDAY + HOUR else 1.0).exit_code == 65
    yield now


def test_status_shows_every_hour_as_table_and_as_json(at: Callable[..., Result]) -> None:
    with lake_of_two_days(at) as now:
        told = ("--since", rfc3339(MONDAY), "--now", rfc3339(now))
        document = json.loads(run("status", "--format", "json", *told).stdout)
        monday, tuesday = document["days"]
        assert monday["hours"][0] == "before_history"
        assert monday["hours"][4] == "missing"
        assert monday["hours"][1:4] + monday["hours"][5:11] == ["settled"] * 9
        assert tuesday["hours"] == ["collected"] * 10 + ["not_due"] * 14
        assert document["hours"]["missing"] == 1
        assert sum(document["hours"].values()) == 48
        table = run("status", *told).stdout
        assert "sssms ssssss cccccc cccccc" in table
        assert "cccccc cccc.. ...... ......" in table


def test_status_of_some_hours_shows_and_counts_no_others(at: Callable[..., Result]) -> None:
    with lake_of_two_days(at) as now:
        told = ("--since", rfc3339(MONDAY + 3 * HOUR), "--until", rfc3339(MONDAY + 6 * HOUR), "--now", rfc3339(now))
        document = json.loads(run("status", "--format", "json", *told).stdout)
        (monday,) = document["days"]
        assert monday["hours"] == [None] * 3 + ["settled", "missing", "settled"] + [None] * 18
        assert {state: n for state, n in document["hours"].items() if n} == {"settled": 2, "missing": 1}
        assert (monday["rows"], monday["estimated_cost"]) == (2, 0.2)


@pytest.mark.parametrize("option", ["--since", "--until"])
def test_status_is_of_whole_hours(option: str, environment: pytest.MonkeyPatch) -> None:
    result = run("status", option, "2026-11-16T03:30Z", "--now", rfc3339(MONDAY))
    assert result.exit_code == 2
    assert f"{option} must be a whole hour" in str(result.exception)


def test_status_shows_what_was_rejected(at: Callable[..., Result]) -> None:
    now = MONDAY + 12 * HOUR
    assert at(now, keeps(MONDAY, now)).exit_code == 0
    later = MONDAY + 2 * DAY
    assert at(later, lambda _: 0.5).exit_code == 65
    table = run("status", "--since", rfc3339(MONDAY), "--now", rfc3339(later))
    assert "rrrrrr rrrrss ssssss ssssss" in table.stdout


def test_status_of_an_empty_lake_says_so_without_an_error(environment: pytest.MonkeyPatch) -> None:
    result = run("status", "--now", rfc3339(MONDAY))
    assert result.exit_code == 0, result.output
    assert "2026-11-15" in result.stdout
    assert run("status", "--since", "2026-11-16T00:00Z", "--until", "2026-11-15T00:00Z").exit_code == 2
