"""The hours of a run are safe, and told of, before EMR is asked, and whatever it answers."""

import json

import pytest

from tests.captures import Answer, json_answer, serving
from tests.served import Installation

DENIED = Answer(403, "application/json", json.dumps({"__type": "AccessDeniedException", "message": "no"}).encode())


@pytest.mark.parametrize(
    ("answer", "exit_code"),
    [(Answer(200, "text/html", b"<html>"), 65), (json_answer([]), 65), (DENIED, 77)],
    ids=["a web page", "a list", "access denied"],
)
def test_what_became_of_the_hours_is_told_whatever_emr_answers(
    answer: Answer, exit_code: int, installation: Installation
) -> None:
    with serving(lambda _: answer) as emr:
        completed = installation.collect("19T09", "19T13", AWS_ENDPOINT_URL_EMR_CONTAINERS=emr.url)
    assert completed.returncode == exit_code
    assert "Traceback" not in completed.stderr
    lines = completed.stderr.splitlines()
    refused, done, failed = (
        next(number for number, line in enumerate(lines) if said in line)
        for said in ("has no allocations for 2026-11-19T12:00:00Z", "run done", "Listing the virtual clusters")
    )
    assert refused < done < failed
    assert len([key for key in installation.objects() if "/allocations/" in key]) == 1
