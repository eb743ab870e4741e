import re
from pathlib import Path

import pytest

from pipeline import errors
from pipeline.errors import ChargebackError
from tests.kustomized import BASE, COMPONENTS, CRONJOB, Manifest, container, job, of_kind, pod, rendered

PAGE = " ".join((CRONJOB / "README.md").read_text(encoding="utf-8").split())
ASK_KUBECOST = {"chargeback-collect", "chargeback-doctor", "chargeback-backfill"}


@pytest.fixture(scope="module")
def cron_jobs() -> dict[str, Manifest]:
    return of_kind(rendered(BASE), "CronJob")


def test_the_page_has_every_cron_job_with_its_service_account(cron_jobs: dict[str, Manifest]) -> None:
    rows = re.findall(r"\| `(chargeback-\w+)` \| [^|]+ \| `(chargeback-\w+)` \|", PAGE)
    assert dict(rows) == {name: pod(cron_job)["serviceAccountName"] for name, cron_job in cron_jobs.items()}


def test_the_page_has_every_component_and_every_file_that_it_names_is_there() -> None:
    listed = re.findall(r"\| `([a-z-]+)` \|", PAGE)
    assert set(COMPONENTS) <= set(listed)
    for name in re.findall(r"`([a-z]+\.yaml)`", PAGE):
        assert (CRONJOB / "overlays" / "example" / name).exists()
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert Path(CRONJOB, link.partition("#")[0]).exists()


def test_the_page_says_how_much_memory_the_runs_ask_for_and_may_have(cron_jobs: dict[str, Manifest]) -> None:
    told = re.search(r"ask for (\w+ \w+) and may have (\w+ \w+), the others for (\w+ \w+) and (\w+ \w+)\.", PAGE)
    assert told is not None
    amounts = [amount.replace(" ", "").removesuffix("B") for amount in told.groups()]
    for name, cron_job in cron_jobs.items():
        resources = container(cron_job)["resources"]
        given = [resources["requests"]["memory"], resources["limits"]["memory"]]
        assert given == (amounts[:2] if name in ASK_KUBECOST else amounts[2:])


def test_the_page_explains_every_exit_code_and_what_the_job_does_with_it(cron_jobs: dict[str, Manifest]) -> None:
    rows = {int(code): done for code, done in re.findall(r"\| (\d+) \| [^|]+ \| ([^|]+) \|", PAGE) if int(code) < 100}
    ours = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ChargebackError)]
    assert rows.keys() == {kind.exit_code for kind in ours if kind is not ChargebackError}
    rules = job(cron_jobs["chargeback-collect"])["podFailurePolicy"]["rules"]
    at_once = next(rule["onExitCodes"]["values"] for rule in rules if rule["action"] == "FailJob")
    assert {code for code, done in rows.items() if done == "fails at once"} == set(at_once)
    assert {job(cron_job)["backoffLimit"] for cron_job in cron_jobs.values()} == {0, 3}
    assert {done for code, done in rows.items() if code not in at_once} == {"tries again, three times at most"}


def test_the_page_says_how_long_a_run_may_take_and_how_long_its_job_stays(cron_jobs: dict[str, Manifest]) -> None:
    assert "longer than 55 minutes (a backfill: 12 hours)" in PAGE
    assert job(cron_jobs["chargeback-collect"])["activeDeadlineSeconds"] == 55 * 60
    assert job(cron_jobs["chargeback-backfill"])["activeDeadlineSeconds"] == 12 * 60 * 60
    assert "go away after three days" in PAGE
    assert {job(cron_job)["ttlSecondsAfterFinished"] for cron_job in cron_jobs.values()} == {3 * 24 * 60 * 60}
