"""One stack and one Trino for all tests here: the demo's estate, published to both engines under one policy."""

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess
from urllib.parse import urlencode

import pytest

from pipeline.demo.stack import WORKGROUP, Stack, running
from pipeline.warehouse import Answer, Warehouse, athena_url
from tests.sql.cases import CASES, case_in, name_of
from tests.trino import column_statistics, server
from tests.trino.answers import asked
from tests.trino.estate import COMPARED, Command, Stage, chargeback, end_days, invoice, write_policy
from tests.trino.installation import VERSION, TrinoUnavailableError, installed
from tests.trino.statements import statement_of


@pytest.fixture(scope="session", autouse=True)
def installation() -> None:
    """Ends the run, and says why, where Trino cannot run."""
    try:
        installed()
    except TrinoUnavailableError as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session")
def stage(request: pytest.FixtureRequest) -> Stage:
    """Says on the terminal what begins, and how many seconds after the first of it."""
    reporter, capture = map(request.config.pluginmanager.get_plugin, ("terminalreporter", "capturemanager"))
    assert reporter is not None
    assert capture is not None
    started = time.monotonic()

    def said(what: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(f"[{time.monotonic() - started:3.0f} s] {what} …")

    return said


@pytest.fixture(scope="session")
def stack(stage: Stage, installation: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The demo's stack, its hours collected; this process reaches it, too."""
    stage("starting the demo's stack, and collecting")
    column_statistics.install()
    with running(tmp_path_factory.mktemp("stack") / "s3") as started, pytest.MonkeyPatch.context() as process:
        for name, value in started.environment.items():
            process.setenv(name, value)
        # Or requests looks through all of the environment for proxies, in threads, while pytest changes it.
        process.setenv("NO_PROXY", "127.0.0.1")
        chargeback(started, "collect")
        yield started


@pytest.fixture(scope="session")
def policy(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The setting that names a policy of every kind; there is an invoice then that it can be about."""
    directory = tmp_path_factory.mktemp("policy")
    write_policy(directory, f"{stack.now:%Y-%m}", invoice())
    return {"CHARGEBACK_POLICY": str(directory)}


@pytest.fixture(scope="session")
def athena(stack: Stack, policy: dict[str, str]) -> Iterator[Future[Warehouse]]:
    """The embedded Athena, once everything is published there; until then Trino may start."""

    def published() -> Warehouse:
        chargeback(stack, "publish", CHARGEBACK_GLUE_DATABASE=COMPARED, **policy)
        return Warehouse(athena_url(stack.environment["AWS_DEFAULT_REGION"], COMPARED, WORKGROUP))

    with ThreadPoolExecutor(1) as beside:
        yield beside.submit(published)


@pytest.fixture(scope="session")
def trino_url(stage: Stage, stack: Stack, athena: Future[Warehouse]) -> Iterator[str]:
    """The SQLAlchemy URL of a Trino over the stack's Glue and S3."""
    stage(f"starting Trino {VERSION}, and publishing to Athena meanwhile")
    try:
        with server.running(
            stack.environment["AWS_ENDPOINT_URL"],
            probe=f"SELECT count(*) FROM {server.CATALOG}.{stack.environment['CHARGEBACK_CUR_TABLE']}",
            database=stack.environment["CHARGEBACK_GLUE_DATABASE"],
            region=stack.environment["AWS_DEFAULT_REGION"],
        ) as url:
            athena.result()
            yield url
    except TrinoUnavailableError as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session")
def trino(trino_url: str) -> Warehouse:
    return Warehouse(trino_url)


@pytest.fixture(scope="session")
def on_trino(stack: Stack, policy: dict[str, str], trino_url: str) -> Command:
    """Runs a command of ours with Trino as its SQL engine."""

    def run(*arguments: str) -> CompletedProcess[str]:
        return chargeback(stack, *arguments, CHARGEBACK_SQL_URL=trino_url, **policy)

    return run


# Planning is most of what a case takes: these have joins planned as they are written, and nothing weighed.
_UNWEIGHED = {
    "enable_stats_calculator": "false",
    "join_distribution_type": "BROADCAST",
    "join_reordering_strategy": "NONE",
}


@pytest.fixture(scope="session")
def asked_cases(trino_url: str, request: pytest.FixtureRequest) -> Iterator[Mapping[Path, Future[Answer]]]:
    """Answers to the cases that are run: they need no table, and are asked beside all that is done before them."""
    ids = {item.callspec.id for item in request.session.items if hasattr(item, "callspec")}
    chosen = [directory for directory in CASES if name_of(directory) in ids]
    trino = Warehouse(f"{trino_url}?{urlencode({'session_properties': json.dumps(_UNWEIGHED)})}")
    with asked(lambda case: trino.query(statement_of(case_in(case)), name_of(case)), chosen, at_once=2) as found:
        yield found


@pytest.fixture(scope="session")
def published(stage: Stage, stack: Stack, on_trino: Command, asked_cases: Mapping[Path, Future[Answer]]) -> None:
    stage("publishing through Trino, and asking the cases of tests/sql meanwhile")
    on_trino("publish")
    end_days(stack.now, stack.environment["CHARGEBACK_GLUE_DATABASE"])
