"""What `chargeback doctor` says, by probe."""

import json
from dataclasses import dataclass

from tests.end_to_end.test_collect import run

NOW = "2026-11-19T13:00:00Z"  # when 10:00 to 11:00 is the newest hour that may be fetched
ACCOUNT = "123456789012"  # which moto takes every key to belong to
CLUSTER_ARN = f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/analytics-prod"


@dataclass(frozen=True)
class Found:
    """One finding, as the JSON has it."""

    verdict: str
    found: str
    fix: str | None
    exit_code: int | None


@dataclass(frozen=True)
class Diagnosis:
    """A run of `doctor`: its exit code, and what each probe found."""

    exit_code: int
    by_probe: dict[str, Found]

    def __getitem__(self, probe: str) -> Found:
        return self.by_probe[probe]

    def verdicts(self, but: str = "") -> set[str]:
        """The verdicts of all probes *but* one."""
        return {found.verdict for name, found in self.by_probe.items() if name != but}


def doctor(*arguments: str, now: str | None = NOW) -> Diagnosis:
    result = run("doctor", "--format", "json", *arguments, *(("--now", now) if now else ()))
    return read(result.stdout, result.exit_code)


def read(text: str, exit_code: int) -> Diagnosis:
    findings = json.loads(text)["findings"]
    return Diagnosis(exit_code, {finding.pop("probe"): Found(**finding) for finding in findings})
