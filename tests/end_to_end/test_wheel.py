import os
import subprocess
import sys
import venv
from importlib.metadata import distribution, distributions
from pathlib import Path
from zipfile import ZipFile

import pytest

from pipeline.relations import views
from tests.lending import closure, lend

CHECKOUT = Path(__file__).parents[2]
SHIPPED = {
    "dashboards": {".py", ".sql", ".toml"},
    "pipeline": {".css", ".html", ".py", ".typed"},
    "sql": {".py", ".sql", ".csv"},
}
NO_SETTINGS = {name: value for name, value in os.environ.items() if not name.startswith(("CHARGEBACK_", "AWS_"))}
OF_EXTRAS = {"charts", "drawings", "exhibits", "page"}
IMPORT_ALL = f"""
import importlib, pkgutil, pipeline
for module in pkgutil.iter_modules(pipeline.__path__, "pipeline."):
    if module.name.removeprefix("pipeline.") not in {OF_EXTRAS | {"demo", "__main__"}}:
        importlib.import_module(module.name)
        print(module.name)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(directory), str(CHECKOUT)]
    subprocess.run(build, cwd=directory, capture_output=True, check=True)
    [built] = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel, and of everything else only what the wheel says it needs."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, symlinks=True, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install"]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", str(wheel)]
    subprocess.run([*pip, *quiet], cwd=home, capture_output=True, check=True)
    [site_packages] = home.glob("lib/python*/site-packages")
    [itself] = distributions(path=[str(site_packages)])
    lend(closure(itself), site_packages)
    return home


def test_the_wheel_holds_the_package_and_its_sql_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert files == {
        str(path.relative_to(CHECKOUT))
        for package, suffixes in SHIPPED.items()
        for path in (CHECKOUT / package).rglob("*")
        if path.suffix in suffixes
    }
    assert {"pipeline/cli.py", "sql/__init__.py", "sql/views/cost_ledger_live.sql"} <= files


def test_the_environment_imports_the_wheel_and_not_the_checkout(installed: Path) -> None:
    found = _run(
        installed,
        "-c",
        "import dashboards, pipeline, sql; print(dashboards.__file__, pipeline.__file__, sql.__file__, sep=chr(10))",
    )
    assert all(Path(line).is_relative_to(installed) for line in found.splitlines())
    assert len(found.splitlines()) == 3
    assert CHECKOUT not in installed.parents


def test_nothing_but_the_demo_and_the_dashboards_page_need_more_than_the_wheel_says(installed: Path) -> None:
    imported = _run(installed, "-c", IMPORT_ALL).split()
    sources = {path.stem for path in (CHECKOUT / "pipeline").glob("*.py")} - {"__init__", "__main__"} - OF_EXTRAS
    assert set(imported) == {f"pipeline.{name}" for name in sources}


def test_the_demos_libraries_are_not_there_without_its_extra(installed: Path) -> None:
    look = "from importlib.util import find_spec; print([n for n in ('duckdb', 'moto', 'pytest') if find_spec(n)])"
    assert _run(installed, "-c", look) == "[]\n"


def test_trino_without_its_client_names_the_extra_that_has_it(installed: Path) -> None:
    make = "from pipeline.warehouse import Warehouse; Warehouse('trino://user@host/catalog/schema')"
    told = _run(installed, "-c", f"try: exec({make!r})\nexcept Exception as error: print(error.exit_code, error)")
    assert told == (
        "78 CHARGEBACK_SQL_URL names the dialect 'trino', which is not installed. Install emr-eks-chargeback[trino].\n"
    )


def test_the_installed_command_says_its_version(installed: Path) -> None:
    version = distribution("emr-eks-chargeback").version
    assert version in _run(installed, str(installed / "bin" / "chargeback"), "--version")


@pytest.mark.parametrize("command", [["-m", "pipeline"], ["bin/chargeback"]], ids=["module", "script"])
def test_a_dry_run_needs_no_settings_and_prints_every_view_in_order(installed: Path, command: list[str]) -> None:
    printed = _run(installed, *command, "publish", "--dry-run")
    created = [line for line in printed.splitlines() if line.startswith("CREATE OR REPLACE VIEW ")]
    assert created == [f'CREATE OR REPLACE VIEW "chargeback"."{view.name}" AS' for view in views("no_cur")]


def _run(home: Path, *arguments: str) -> str:
    """What the environment's Python prints, away from the checkout and deaf to variables that would lead there."""
    command = [str(home / "bin" / "python"), "-I", *arguments]
    run = subprocess.run(command, cwd=home, env=NO_SETTINGS, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout
