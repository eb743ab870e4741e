"""`chargeback doctor` in the demo, where all is well."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qs

from tests.diagnosis import read
from tests.fault_proxy import Exchange, Fault, faults_before, passed_on
from tests.served import chargeback

PAGE = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")
NOW = ("--now", "2026-10-15T04:00:00Z")
NOT_RUN = {"Kubecost's clock", "AWS clock", "Kubecost: time grid", "bill: export"}


def test_the_demo_is_well(demo: dict[str, str]) -> None:
    done = chargeback("doctor", "--format", "json", *NOW, environment=demo)
    assert done.returncode == 0, done.stderr
    found = read(done.stdout, done.returncode)
    assert {name: one.verdict for name, one in found.by_probe.items()} == {
        name: "not run" if name in NOT_RUN else "ok" for name in found.by_probe
    }
    assert found["Kubecost: newest hour"].found.startswith("2026-10-15T01:00Z: ")
    assert found["AWS credentials"].found == "arn:aws:sts::111122223333:assumed-role/chargeback-collect/demo"
    assert found["bill: newest hour"].found == "lines of 2026-10 up to 2026-10-15T02:00:00Z"
    assert {one.fix for one in found.by_probe.values()} == {None}
    assert re.findall("^### (.*)$", PAGE, re.MULTILINE) == list(found.by_probe), "each has its section, in this order"


def test_the_table_has_a_line_for_each_probe_and_fits_a_screen(demo: dict[str, str]) -> None:
    done = chargeback("doctor", *NOW, environment=demo)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "what a run logs of upstream is in the table"
    probes = json.loads(chargeback("doctor", "--format", "json", *NOW, environment=demo).stdout)["findings"]
    for probe in probes:
        assert re.search(rf"^  {re.escape(probe['probe'])} +{probe['verdict']} ", done.stdout, re.MULTILINE)
    assert max(map(len, done.stdout.splitlines())) <= 130


def test_doctor_asks_for_nothing_but_what_reads(demo: dict[str, str]) -> None:
    asked: set[str] = set()

    def noted(exchange: Exchange) -> None:
        target = exchange.headers.get("X-Amz-Target", "").rpartition(".")[2]
        action = parse_qs(exchange.body.decode(errors="replace")).get("Action", [""])[0]
        asked.add(target or action or exchange.command)
        passed_on(exchange)

    with faults_before(demo["AWS_ENDPOINT_URL"], Fault(noted, None, times=None)) as proxy:
        done = chargeback("doctor", *NOW, environment=demo | {"AWS_ENDPOINT_URL": proxy.url})
    assert done.returncode == 0, done.stderr
    assert {"GET", "GetCallerIdentity", "GetDatabase", "GetTables", "GetWorkGroup"} <= asked
    assert {action for action in asked if not re.match("GET$|HEAD$|Get|List|Describe", action)} == set()
