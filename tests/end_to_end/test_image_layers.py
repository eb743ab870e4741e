"""The Dockerfile's steps, followed without Docker: in directories instead of layers, and with no network."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
import yaml

from tests.dockerfile import BUILD, CHECKOUT, FINAL, environment, every
from tests.kustomized import BASE
from tests.lending import closure, lend
from tests.served import NOW, Installation

PLACES = ("/opt/chargeback", "/wheels", "/source")
READ_ONLY = """
mount -t tmpfs tmpfs "$TMPDIR" && mount --bind "$IMAGE" "$IMAGE" &&
mount -o remount,bind,ro "$IMAGE" && mount -o remount,bind,ro / && cd "$TMPDIR" && exec "$@"
"""
SHIPPED = {
    "dashboards": ["*.py", "*.sql", "*.toml"],
    "pipeline": ["*.py", "py.typed"],
    "sql": ["*.py", "*.sql", "*.csv"],
}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what the last stage takes over: the first stage's steps, done one by one."""
    root = tmp_path_factory.mktemp("image")
    source = root / "source"
    source.mkdir()
    for instruction in BUILD:
        if instruction.word == "COPY":
            *taken, place = instruction.rest.split()
            for name in taken:
                _copy(CHECKOUT / name, source / place / name if place == "./" else source / place)
        elif instruction.word == "RUN":
            _run(instruction.rest, root)
    [site_packages] = (root / "opt" / "chargeback").glob("lib/python*/site-packages")
    [itself] = distributions(path=[str(site_packages)])
    lend(closure(itself), site_packages)
    (root / "tmp").mkdir()
    return root


def test_the_lock_has_every_package_that_the_wheel_needs(image: Path) -> None:
    lock = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z][\w.-]*)==", lock, re.MULTILINE))
    [itself] = distributions(path=[str(_site_packages(image))], name="emr-eks-chargeback")
    assert {re.sub(r"[-_.]+", "-", name).lower() for name in closure(itself)} <= locked


def test_the_image_holds_the_wheels_files_and_no_checkout(image: Path) -> None:
    for package, patterns in SHIPPED.items():
        installed = _site_packages(image) / package
        assert not installed.is_symlink()
        files = {path.relative_to(CHECKOUT / package) for glob in patterns for path in (CHECKOUT / package).rglob(glob)}
        assert files
        assert {file for file in files if not (installed / file).is_file()} == set()
    assert not any((image / "opt").rglob("pyproject.toml"))


def test_the_image_has_neither_pip_nor_what_built_the_wheel(image: Path) -> None:
    installed = {path.name.partition("-")[0].lower() for path in _site_packages(image).iterdir()}
    assert installed & {"pip", "setuptools", "wheel", "build", "hatchling"} == set()
    assert not list((image / "opt" / "chargeback" / "bin").glob("pip*"))


def test_whoever_runs_it_may_read_it(image: Path) -> None:
    own = [path for package in SHIPPED for path in (_site_packages(image) / package).rglob("*")]
    assert own
    assert [path for path in own if not path.stat().st_mode & stat.S_IROTH] == []


def test_the_entry_point_answers_where_nothing_but_tmp_can_be_written(image: Path) -> None:
    helped = _read_only(image, "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "collect" in helped.stdout


def test_the_views_are_printed_from_the_image_alone(image: Path) -> None:
    printed = _read_only(image, "publish", "--dry-run")
    assert (printed.returncode, printed.stderr) == (0, "")
    assert 'CREATE OR REPLACE VIEW "chargeback"."cost_ledger_live"' in printed.stdout


def test_the_command_that_the_image_runs_unless_told_names_what_is_not_set(image: Path) -> None:
    [command] = every(FINAL, "CMD")
    run = _read_only(image, *json.loads(command))
    assert run.returncode == 78
    assert "CHARGEBACK_LAKE is not set" in run.stderr


def test_hours_are_collected_where_nothing_but_tmp_can_be_written(image: Path, installation: Installation) -> None:
    arguments = ["--since", "2026-11-19T09:00Z", "--until", "2026-11-19T11:00Z", "--now", NOW, "--skip-emr"]
    run = _read_only(image, "collect", *arguments, **installation.environment)
    assert run.returncode == 0, run.stderr
    assert [key for key in installation.objects() if key.startswith("chargeback/allocations/")]


def test_tmp_is_all_that_the_manifest_gives_it_to_write_to() -> None:
    manifest = yaml.safe_load((BASE / "run.yaml").read_text(encoding="utf-8"))
    [container] = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == every(FINAL, "WORKDIR")


def _copy(source: Path, place: Path) -> None:
    """Copy what .dockerignore lets the build see."""
    if source.is_dir():
        shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, place)


def _run(steps: str, root: Path) -> None:
    """Do what a RUN says, in the places under *root*; what a lock would fetch is here already."""
    for step in steps.split(" && "):
        if "--require-hashes" in step:
            continue
        placed = re.sub(r"(?<![\w/])(?:" + "|".join(PLACES) + r")\b", lambda place: f"{root}{place[0]}", step)
        done = subprocess.run(
            placed, shell=True, cwd=root / "source", env=_here() | environment(BUILD),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def _here() -> dict[str, str]:
    return {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def _site_packages(image: Path) -> Path:
    [found] = (image / "opt" / "chargeback").glob("lib/python*/site-packages")
    return found


def _read_only(image: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The image's entry point at work without a home, in a file system of which only $TMPDIR can be written to."""
    [entry] = every(FINAL, "ENTRYPOINT")
    outside = _here()["PATH"].split(os.pathsep)[1:]
    stage = environment(FINAL)
    stage["PATH"] = stage["PATH"].replace("/opt", f"{image}/opt").replace("$PATH", os.pathsep.join(outside))
    inside = stage | {"TMPDIR": str(image / "tmp"), "IMAGE": str(image / "opt")} | variables
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", READ_ONLY, "sh"]
    probe = [*unshare, "sh", "-c", '! touch "$IMAGE/probe" 2>/dev/null && touch "$TMPDIR/probe"']
    if subprocess.run(probe, env=inside, capture_output=True, check=False).returncode:
        pytest.skip("this machine cannot make a file system read-only for one process (unshare --user --mount)")
    return subprocess.run(
        [*unshare, *json.loads(entry), *arguments], env=inside,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
