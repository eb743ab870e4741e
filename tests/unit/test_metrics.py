import json
import logging
import math
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from pipeline.logs import EventFormatter
from pipeline.metrics import Metric, Report, embedded

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
STANDARD_UNITS = frozenset(
    boto3.client("cloudwatch", region_name="us-east-1").meta.service_model.shape_for("StandardUnit").enum
)
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
METRIC = {
    "type": "object",
    "required": ["Name"],
    "additionalProperties": False,
    "properties": {
        "Name": {"type": "string", "minLength": 1, "maxLength": 1024},
        "Unit": {"enum": sorted(STANDARD_UNITS)},
        "StorageResolution": {"enum": [1, 60]},
    },
}
DIRECTIVE = {
    "type": "object",
    "required": ["Namespace", "Dimensions", "Metrics"],
    "additionalProperties": False,
    "properties": {
        "Namespace": {"type": "string", "minLength": 1, "maxLength": 1024},
        "Dimensions": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "array", "minItems": 1, "maxItems": 30, "items": {"type": "string", "minLength": 1}},
        },
        "Metrics": {"type": "array", "minItems": 1, "maxItems": 100, "items": METRIC},
    },
}
DOCUMENT = Draft202012Validator(
    {
        "type": "object",
        "required": ["_aws"],
        "properties": {
            "_aws": {
                "type": "object",
                "required": ["Timestamp", "CloudWatchMetrics"],
                "properties": {
                    "Timestamp": {"type": "integer", "minimum": 0},
                    "CloudWatchMetrics": {"type": "array", "minItems": 1, "items": DIRECTIVE},
                },
            }
        },
    }
)
AT = datetime(2026, 11, 21, 12, 5, 7, 250_000, tzinfo=UTC)
VALUES = st.one_of(st.none(), st.floats(), st.integers(0, 2**40))
INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  it says so apart
REPORTS = st.builds(
    Report,
    st.sampled_from(["collect", "refresh", "verify"]),
    st.from_regex(r"[0-9A-Za-z][\w-]{0,99}", fullmatch=True),
    INSTANTS,
    st.dictionaries(st.sampled_from(Metric), VALUES).map(lambda some: {**some, Metric.SECONDS: 2.5}),
)


def written(report: Report) -> str:
    """The line of the log."""
    record = logging.makeLogRecord({"msg": "figures", "levelno": logging.INFO, "levelname": "INFO"})
    record.document = embedded(report)
    return EventFormatter().format(record)


def extracted(line: str) -> dict[str, tuple[float, str]]:
    """What CloudWatch Logs makes of a line: the values and units of metrics, which have all dimensions' targets."""
    document = json.loads(line, parse_constant=pytest.fail)
    DOCUMENT.validate(document)
    [directive] = document["_aws"]["CloudWatchMetrics"]
    assert all(isinstance(document[name], str) for of in directive["Dimensions"] for name in of)
    return {of["Name"]: (document[of["Name"]], of["Unit"]) for of in directive["Metrics"]}


@given(REPORTS)
def test_a_logged_report_is_one_line_of_the_embedded_metric_format_with_every_known_figure(report: Report) -> None:
    line = written(report)
    assert "\n" not in line
    known = {name: value for name, value in report.figures.items() if value is not None and math.isfinite(value)}
    assert extracted(line) == {name.value: (value, name.unit) for name, value in known.items()}


def test_a_logged_report_says_whose_figures_they_are_and_when_the_run_ended() -> None:
    document = json.loads(written(Report("refresh", "analytics-prod", AT, {Metric.SUCCEEDED: 1.0})))
    assert document["_aws"]["Timestamp"] == 1_795_262_707_250
    assert document["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Chargeback"
    assert document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["ClusterName", "Command"]]
    assert (document["ClusterName"], document["Command"], document["Succeeded"]) == ("analytics-prod", "refresh", 1)


@pytest.mark.parametrize(
    "broken",
    [
        lambda of: of["_aws"].pop("Timestamp"),
        lambda of: of["_aws"].update(Timestamp="now"),
        lambda of: of["_aws"]["CloudWatchMetrics"][0].pop("Namespace"),
        lambda of: of["_aws"]["CloudWatchMetrics"][0].update(Dimensions=["ClusterName"]),
        lambda of: of["_aws"]["CloudWatchMetrics"][0]["Metrics"][0].update(Unit="Hours"),
    ],
)
def test_the_schema_of_the_format_refuses_what_is_not_of_it(broken: Any) -> None:
    document = json.loads(written(Report("collect", "analytics", AT, {Metric.SUCCEEDED: 1.0})))
    broken(document)
    with pytest.raises(ValidationError):
        DOCUMENT.validate(document)


def test_every_unit_is_one_of_cloudwatchs() -> None:
    assert {metric.unit for metric in Metric} <= STANDARD_UNITS


def test_the_page_on_operations_has_each_figure_once_with_its_unit() -> None:
    documented = re.findall(r"^\| `([A-Z]\w+)` \| (\w+) \|", PAGE, re.MULTILINE)
    assert sorted(documented) == sorted((metric.value, metric.unit) for metric in Metric)


def test_the_page_on_operations_has_a_section_for_each_alarm_with_what_to_do() -> None:
    sections = dict(re.findall(r"^### ([\w ]+)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL))
    assert {name.lower().replace(" ", "-") for name in sections} == {
        *("no-success", "lost-window", "failed-check", "daily-cost", "stale-ledger"),
    }
    for name, text in sections.items():
        assert f"`chargeback-<cluster>-{name.lower().replace(' ', '-')}`" in text
        asked = [line for line in text.splitlines() if line.startswith("**")]
        assert [re.split(r"\*\*", line)[1] for line in asked] == ["What it means.", "Look at first.", "What to do."]
