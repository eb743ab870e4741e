"""A Kubecost of which every answer is written in the test."""

from typing import Any

import responses

from pipeline.window import Window, parse_instant

URL = "http://kubecost.example:9090"
TEN = Window.hour(parse_instant("2026-11-19T10:00Z"))
NODES = {"n1": {"type": "Node", "properties": {"cluster": "one", "name": "n1"}}}
ASSETS = {"code": 200, "data": [NODES]}
ASSETS_OF_OPENCOST = {"code": 200, "data": NODES}


def allocation(cluster: str | None = "one", name: str = "row") -> dict[str, Any]:
    of = {"node": "n1", "pod": name} | ({"cluster": cluster} if cluster else {})
    return {"name": name, "window": {"start": "2026-11-19T10:00:00Z", "end": "2026-11-19T11:00:00Z"}, "properties": of}


def allocations(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"code": 200, "data": [{str(number): row for number, row in enumerate(rows)}]}


def answering(
    server: responses.RequestsMock, *rows: dict[str, Any], path: str = "/model", assets: dict[str, Any] = ASSETS
) -> None:
    server.get(f"{URL}{path}/assets", json=assets)
    server.get(f"{URL}{path}/allocation", json=allocations(*rows))
