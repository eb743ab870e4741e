import json
import re

import pytest
from urllib3.util import Retry

from pipeline.errors import ChargebackError, ConfigurationError, ContractError, UnavailableError
from pipeline.kubecost import Kubecost, NoDataError
from pipeline.models import WindowAnswer
from pipeline.window import Window, parse_instant
from tests.captures import Capture, captures, instead, json_answer, opencost, serving

TEN = Window.hour(parse_instant("2026-11-19T10:00:00Z"))


def ask(capture: Capture) -> WindowAnswer:
    """What the client makes of a captured answer, given to its own question about the capture's window."""
    start, _, end = (capture.window or "").partition(",")
    whole = re.fullmatch(r"[\d-]+T[\d:]+Z,[\d-]+T[\d:]+Z", capture.window or "") and start < end
    window = Window(parse_instant(start), parse_instant(end)) if whole else TEN
    path = "/assets" if "assets" in capture.file else "/allocation"
    others = opencost("opencost-2026-05")
    node = {"type": "Node", "properties": {"name": "node", "providerID": "i-0123456789abcdef0"}}
    if path == "/allocation":
        others = instead("/assets", json_answer({"code": 200, "data": {"node": node}}), others)
    else:
        row = {
            "name": "row",
            "window": {"start": start or "2026-11-19T10:00:00Z", "end": end or "2026-11-19T11:00:00Z"},
        }
        if not whole:
            row["window"] = {"start": "2026-11-19T10:00:00Z", "end": "2026-11-19T11:00:00Z"}
        allocations = {"code": 200, "data": [{"row": row | {"properties": {"node": "node"}}}]}
        others = instead("/allocation", json_answer(allocations), others)
    with serving(instead(path, capture.answer, others)) as upstream:
        return Kubecost(upstream.url, retry=Retry(0, raise_on_status=False)).window(window)


def expected_error(capture: Capture) -> type[ChargebackError] | None:
    """None for an answer that is to be read."""
    name = capture.file.partition("/")[2]
    if capture.answer.status is None or (capture.answer.status or 0) >= 500:
        return UnavailableError
    if name.startswith(("before-history", "allocation-before-history", "allocation-future")) or "window-zero" in name:
        return NoDataError
    if name.startswith(("error-", "healthz", "summary", "prometheus", "assets-before-history", "assets-future")):
        return ContractError
    if "assets" not in name:
        sets = json.loads(capture.answer.body)["data"]
        has_node = any(row["properties"].get("node") for rows in sets for row in rows.values())
        if len(sets) != 1 or not has_node:  # answers to other questions than ours: two steps, aggregated
            return ContractError
    return None


@pytest.mark.parametrize("capture", captures(), ids=lambda capture: capture.file)
def test_every_captured_answer_is_read_whole_or_refused_with_the_right_error(capture: Capture) -> None:
    error = expected_error(capture)
    if error is None:
        answer = ask(capture)
        assert len(answer.allocations) > 0
        assert len(answer.nodes) > 0
        return
    with pytest.raises((error, ConfigurationError) if capture.answer.status == 404 else error) as refused:
        ask(capture)
    assert len(str(refused.value)) < 700, "an operator reads a sentence, not 33 kB of PromQL"


def test_an_hour_of_which_only_the_query_for_the_pods_failed_is_refused() -> None:
    for server in ("opencost-2026-05", "opencost-2024-10"):
        failed = next(c for c in captures() if c.file == f"{server}/prometheus-pods-query-fails-allocation.json")
        with pytest.raises(ContractError, match="no row that has a node: its query for the pods failed"):
            ask(failed)
