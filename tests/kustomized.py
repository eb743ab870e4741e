"""What kustomize makes of the manifests, by whichever program on the PATH has it."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

CRONJOB = Path(__file__).resolve().parents[1] / "cronjob"
BASE = CRONJOB / "base"
EXAMPLE = CRONJOB / "overlays" / "example"
COMPONENTS = sorted(path.name for path in (CRONJOB / "components").iterdir())

Manifest = dict[str, Any]


def builder() -> list[str]:
    """The command that renders a directory; a test that needs it is skipped where there is none."""
    for program, command in (("kubectl", "kustomize"), ("kustomize", "build")):
        if found := shutil.which(program):
            return [found, command]
    pytest.skip("neither kubectl nor kustomize is on the PATH: the manifests were not rendered")


@cache
def rendered(directory: Path) -> tuple[Manifest, ...]:
    """Every object that applying *directory* would make."""
    run = subprocess.run([*builder(), str(directory)], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    return tuple(yaml.safe_load_all(run.stdout))


@cache
def with_components(*names: str) -> tuple[Manifest, ...]:
    """The base with the components of these *names*."""
    with TemporaryDirectory() as made:
        directory = Path(made).resolve()
        kustomization = {
            "resources": [os.path.relpath(BASE, directory)],
            "components": [os.path.relpath(CRONJOB / "components" / name, directory) for name in names],
        }
        (directory / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
        return rendered(directory)


def of_kind(manifests: tuple[Manifest, ...], kind: str) -> dict[str, Manifest]:
    """The objects of one *kind*, by name."""
    return {manifest["metadata"]["name"]: manifest for manifest in manifests if manifest["kind"] == kind}


def job(cron_job: Manifest) -> Manifest:
    """What a CronJob says of its jobs."""
    found: Manifest = cron_job["spec"]["jobTemplate"]["spec"]
    return found


def pod(cron_job: Manifest) -> Manifest:
    """What a CronJob says of its pods."""
    found: Manifest = job(cron_job)["template"]["spec"]
    return found


def container(cron_job: Manifest) -> Manifest:
    """A CronJob's only container."""
    [found] = pod(cron_job)["containers"]
    assert isinstance(found, dict)
    return found
