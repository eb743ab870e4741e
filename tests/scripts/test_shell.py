import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploying import CHECKOUT, Place

SCRIPTS = sorted((CHECKOUT / "infra").glob("*.sh"))
PROGRAMS = [path for path in SCRIPTS if path.name in ("deploy.sh", "destroy.sh")]

SHELLCHECK = Path(sys.executable).with_name("shellcheck")

# What bash 3.2, macOS's own, does not know.
TOO_NEW = re.compile(
    r"\b(mapfile|readarray|coproc)\b|\b(declare|local|typeset) -[a-zA-Z]*[An]|\$\{\w+(,,?|\^\^?|@[A-Z])|&>>|\|&|;;&|;&"
    r"|\bEPOCH|\bwait -n|\[\[? -v "
)


def _found_by_shellcheck(*programs: Path) -> str:
    done = subprocess.run(
        [SHELLCHECK, "--external-sources", "--check-sourced", "--source-path", CHECKOUT, *programs],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout


def test_shellcheck_finds_nothing() -> None:
    assert _found_by_shellcheck(*PROGRAMS) == ""


def test_shellcheck_would_find_what_is_not_quoted(tmp_path: Path) -> None:
    script = tmp_path / "unquoted.sh"
    script.write_text("#!/usr/bin/env bash\nrm -rf $1/base\n", encoding="utf-8")
    assert "SC2086" in _found_by_shellcheck(script)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_needs_no_newer_bash_than_macos_has(path: Path) -> None:
    found = [line for line in path.read_text(encoding="utf-8").splitlines() if TOO_NEW.search(line)]
    assert not found


def test_the_search_for_newer_bash_finds_it() -> None:
    newer = ["mapfile -t a", "local -n b=$1", "declare -A m", "${x,,}", "${x@Q}", "a |& b", "a &>> b", "[ -v x ]"]
    assert all(TOO_NEW.search(line) for line in newer)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_a_room_that_says_what_it_knows(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 400
    assert max(map(len, lines)) <= 120
    runs = path in PROGRAMS
    assert lines[0] == ("#!/usr/bin/env bash" if runs else "# shellcheck shell=bash")
    assert bool(path.stat().st_mode & 0o111) is runs
    assert lines[1].startswith("# ")


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_every_option_is_in_the_help_and_the_help_needs_nothing(place: Place, path: Path) -> None:
    place.has_tools([])
    ran = place.run(path.name, "--help")
    assert (ran.code, ran.err, place.calls) == (0, "", [])
    source = path.read_text(encoding="utf-8")
    if path.name == "deploy.sh":
        source = (path.parent / "arguments.sh").read_text(encoding="utf-8")
    cases = re.findall(r"^ +(?:case \$1 in )?(-[-a-z |]+)\)", source, re.MULTILINE)
    read = {option for case in cases for option in case.split(" | ")}
    helped = set(re.findall(r"^  (--[a-z-]+)", ran.out, re.MULTILINE))
    assert read - {"-h"} == helped
    assert len(helped) > 7
