import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet

CHECKOUT = Path(__file__).parents[2]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@dataclass(frozen=True)
class Instruction:
    word: str
    rest: str


def _stages() -> list[list[Instruction]]:
    """The Dockerfile's instructions, stage by stage, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (CHECKOUT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    stages: list[list[Instruction]] = []
    for word, rest in (line.split(maxsplit=1) for line in lines):
        if word == "FROM":
            stages.append([])
        stages[-1].append(Instruction(word, " ".join(rest.split())))
    return stages


BUILD, FINAL = _stages()


def _all(stage: list[Instruction], word: str) -> list[str]:
    return [instruction.rest for instruction in stage if instruction.word == word]


def _copied() -> set[str]:
    """What the build takes from the checkout."""
    return {source for rest in _all(BUILD, "COPY") for source in rest.split()[:-1]}


def test_both_stages_stand_on_the_same_python_and_the_package_allows_it() -> None:
    bases = {rest.split()[0] for rest in _all(BUILD, "FROM") + _all(FINAL, "FROM")}
    assert len(bases) == 1
    tag = re.fullmatch(r"python:(3\.\d+)-slim", bases.pop())
    assert tag is not None
    assert tag[1] in SpecifierSet(PROJECT["requires-python"])
    assert f"Programming Language :: Python :: {tag[1]}" in PROJECT["classifiers"]


def test_everything_that_is_fetched_comes_from_a_lock_with_hashes() -> None:
    installs = [step for run in _all(BUILD, "RUN") for step in run.split(" && ") if " install " in step]
    assert len(installs) == 3
    for step in installs:
        locked = "--require-hashes --requirement requirements" in step
        assert locked or "--no-index --no-deps /wheels/*.whl" in step
    assert installs[0].endswith(
        "--python /opt/chargeback/bin/python install --require-hashes --requirement requirements.lock"
    )


def test_the_locks_that_the_image_installs_have_a_hash_for_every_package() -> None:
    for name in _copied():
        if name.endswith(".lock"):
            entries = re.findall(r"^[a-z][\w.-]*==.*\n(    --hash=sha256:[0-9a-f]{64})?", _text(name), re.MULTILINE)
            assert entries
            assert all(entries)


def test_the_code_is_built_into_a_wheel_and_never_copied_into_the_image() -> None:
    assert any("-m build --wheel --no-isolation" in run for run in _all(BUILD, "RUN"))
    assert _all(FINAL, "COPY") == ["--from=build /opt/chargeback /opt/chargeback"]


def test_the_last_stage_builds_and_installs_nothing() -> None:
    assert _all(FINAL, "RUN") == []
    assert "--without-pip" in _all(BUILD, "RUN")[0]


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    [user] = _all(FINAL, "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


def test_the_entry_point_is_the_packages_own_command_and_collects_unless_told() -> None:
    [entry], [command] = _all(FINAL, "ENTRYPOINT"), _all(FINAL, "CMD")
    assert json.loads(entry) == list(PROJECT["scripts"])
    assert json.loads(command) == ["collect"]


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    lines = [line for line in _text(".dockerignore").splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == _copied()
    assert all((CHECKOUT / source).exists() for source in _copied())


def _text(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")
