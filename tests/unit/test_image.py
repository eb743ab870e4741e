import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.dockerfile import BEFORE, BUILD, CHECKOUT, FINAL, copied, environment, every

METADATA = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = METADATA["project"]
KNOWN = {"ARG", "FROM", "ENV", "WORKDIR", "COPY", "RUN", "LABEL", "USER", "ENTRYPOINT", "CMD"}


def test_there_are_two_stages_of_instructions_that_are_all_known_and_none_adds_from_afar() -> None:
    assert {instruction.word for instruction in [*BEFORE, *BUILD, *FINAL]} == KNOWN
    assert every(BUILD, "FROM") == ["${PYTHON} AS build"]
    assert every(FINAL, "FROM") == ["${PYTHON}"]


def test_the_linter_finds_nothing_to_say() -> None:
    assert _linted((CHECKOUT / "Dockerfile").read_text(encoding="utf-8")) == set()


def test_the_linter_would_find_a_tag_that_moves_and_a_package_without_a_version() -> None:
    assert _linted("FROM python:latest\nRUN pip install requests\n") >= {"DL3007", "DL3013"}


def test_both_stages_stand_on_the_same_python_and_the_package_allows_it() -> None:
    [argument] = every(BEFORE, "ARG")
    tag = re.fullmatch(r"PYTHON=python:(3\.\d+)-slim-[a-z]+(@sha256:[0-9a-f]{64})?", argument)
    assert tag is not None, "a tag with Python's version and Debian's name, never latest"
    assert tag[1] in SpecifierSet(PROJECT["requires-python"])
    assert f"Programming Language :: Python :: {tag[1]}" in PROJECT["classifiers"]


def test_everything_that_is_fetched_comes_from_a_lock_with_hashes() -> None:
    installs = [step for run in every(BUILD, "RUN") for step in run.split(" && ") if " install " in step]
    assert len(installs) == 3
    for step in installs:
        locked = "--require-hashes --requirement requirements" in step
        assert locked or "--no-index --no-deps /wheels/*.whl" in step
    assert installs[0].endswith(
        "--python /opt/chargeback/bin/python install --require-hashes --requirement requirements.lock"
    )
    assert environment(BUILD)["PIP_ONLY_BINARY"] == ":all:"


def test_the_locks_that_the_image_installs_have_a_hash_for_every_package() -> None:
    locks = {name for name in copied() if name.endswith(".lock")}
    assert locks == {"requirements.lock", "requirements-build.lock"}
    for name in locks:
        entries = re.findall(r"^[a-z][\w.-]*==.*\n(    --hash=sha256:[0-9a-f]{64})?", _text(name), re.MULTILINE)
        assert entries
        assert all(entries)


def test_what_builds_the_wheel_is_what_the_package_says_and_as_everywhere_else() -> None:
    asked = {line for line in _text("requirements-build.in").splitlines() if not line.startswith("#")}
    assert asked == set(METADATA["build-system"]["requires"])
    locked, elsewhere = _locked("requirements-build.lock"), _locked("requirements-dev.lock")
    assert all(Requirement(requirement).name in locked for requirement in asked)
    assert {name: version for name, version in locked.items() if elsewhere.get(name, version) != version} == {}


def test_the_code_is_built_into_a_wheel_and_never_copied_into_the_image() -> None:
    assert "pip wheel --no-index --no-deps --no-build-isolation" in every(BUILD, "RUN")[-1]
    assert every(FINAL, "COPY") == ["--from=build /opt/chargeback /opt/chargeback"]


def test_the_last_stage_installs_nothing_and_removes_what_could() -> None:
    [removed] = every(FINAL, "RUN")
    assert removed.startswith("rm -rf ")
    assert not re.search(r"[;&|]", removed)
    for place in ("/usr/local/bin/pip*", "python3.*/site-packages/*", "python3.*/ensurepip"):
        assert place in removed
    assert "--without-pip" in every(BUILD, "RUN")[0]


def test_the_image_runs_as_a_number_that_is_not_root_and_nothing_runs_as_another() -> None:
    [user] = every(FINAL, "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    words = [instruction.word for instruction in FINAL]
    assert "RUN" not in words[words.index("USER") :]
    assert every(FINAL, "WORKDIR") == ["/tmp"]


def test_the_entry_point_is_the_packages_own_command_and_collects_unless_told() -> None:
    [entry], [command] = every(FINAL, "ENTRYPOINT"), every(FINAL, "CMD")
    assert json.loads(entry) == list(PROJECT["scripts"])
    assert json.loads(command) == ["collect"]


def test_the_image_says_what_it_is_in_the_open_containers_words() -> None:
    labels = dict(pair.split("=", 1) for rest in every(FINAL, "LABEL") for pair in shlex.split(rest))
    prefix = "org.opencontainers.image."
    assert labels[prefix + "title"] == PROJECT["name"]
    assert labels[prefix + "version"] == PROJECT["version"]
    assert labels[prefix + "licenses"] == PROJECT["license"]
    arguments = {rest.partition("=")[0] for rest in every(FINAL, "ARG")}
    assert arguments == {"PYTHON", "REVISION"}
    assert (labels[prefix + "base.name"], labels[prefix + "revision"]) == ("$PYTHON", "$REVISION")
    assert all(key.startswith(prefix) and value for key, value in labels.items())


def test_no_variable_or_argument_holds_a_secret() -> None:
    names = [*environment(BUILD), *environment(FINAL), *every(BEFORE, "ARG"), *every(FINAL, "ARG")]
    assert [name for name in names if re.search("KEY|TOKEN|SECRET|PASSWORD", name)] == []


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    lines = [line for line in _text(".dockerignore").splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == copied()
    assert all((CHECKOUT / source).exists() for source in copied())


def _linted(dockerfile: str) -> set[str]:
    """The rules that hadolint finds broken, whatever their severity."""
    run = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--no-fail", "--format", "json", "-"], input=dockerfile,
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return {finding["code"] for finding in json.loads(run.stdout)}


def _text(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


def _locked(name: str) -> dict[str, str]:
    """The version of each package in a lock."""
    return dict(re.findall(r"^([a-z][\w.-]*)==(\S+)", _text(name), re.MULTILINE))
