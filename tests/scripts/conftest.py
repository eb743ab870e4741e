import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploying import CHECKOUT, Place, Ran, placed

SOURCES = ["infra", "cronjob", "dashboards", "pipeline", "sql"]
FILES = ["Dockerfile", ".dockerignore", "LICENSE", "README.md", "pyproject.toml", "requirements*.lock"]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout, at a path with blanks."""
    found = tmp_path_factory.mktemp("a checkout") / "emr eks chargeback"
    for name in SOURCES:
        shutil.copytree(CHECKOUT / name, found / name, ignore=shutil.ignore_patterns("__pycache__"))
    for pattern in FILES:
        for path in CHECKOUT.glob(pattern):
            shutil.copy(path, found / path.name)
    return found


@pytest.fixture
def place(checkout: Path, tmp_path: Path) -> Iterator[Place]:
    """An account with a cluster, every tool, and a home directory with a blank in its name."""
    with placed(checkout, tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def deployed(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Ran]]:
    """A place where deploy.sh has run once, without any options, and what it said. Only to be looked at."""
    with placed(checkout, tmp_path_factory.mktemp("deployed")) as found:
        yield found, found.deploy("--yes")
