"""Every command and query of the README, as a newcomer would run it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy

from tests.served import clean_environment

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line]


def test_the_readme_shows_how_to_begin() -> None:
    assert COMMANDS[:2] == ["make demo", "make test"]
    assert len(COMMANDS) > 5
    assert len(blocks("sql")) > 1


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make")] + ["make serve", "make lint"])
def test_each_make_target_runs_what_it_says(command: str) -> None:
    """Without running it: these tests are a part of one, and the demo is run as `chargeback demo` elsewhere."""
    planned = subprocess.run(
        [*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    runs = {"make demo": "chargeback demo", "make serve": "chargeback demo --serve", "make test": "-m pytest"}
    assert runs.get(command, "ruff") in planned


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("chargeback")])
def test_each_command_works_in_the_demo(command: str, demo: dict[str, str], tmp_path: Path) -> None:
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, env=clean_environment() | demo | path,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout or any(written.stat().st_size > 0 for written in tmp_path.iterdir())


@pytest.mark.parametrize("query", blocks("sql"))
def test_each_query_answers_in_the_demo(query: str, engine: sqlalchemy.Engine) -> None:
    with engine.connect() as connection:
        assert len(connection.exec_driver_sql(query).all()) > 3


@pytest.mark.parametrize("page", [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"], ids=str)
def test_every_link_between_our_pages_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_every_setting_that_the_readme_names_exists() -> None:
    from pipeline.settings import PREFIX, Settings

    known = {PREFIX + name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"`(CHARGEBACK_\w+)`", README)) <= known
