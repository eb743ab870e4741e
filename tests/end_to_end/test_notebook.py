"""What the notebook of docs/ shows is what the demo answers; WRITE_ANSWERS=1 writes it again: `make examples`."""

import os
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from tests.served import clean_environment

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook" / "chargeback.ipynb"


@pytest.fixture(scope="module")
def stored() -> NotebookNode:
    notebook: NotebookNode = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    return notebook


def said(notebook: NotebookNode) -> list[list[str]]:
    """What each cell answers, in words; a picture is only known to be there."""
    return [
        [kind for output in cell.outputs for kind in output.get("data", {}) if kind.startswith("image/")]
        + [output["data"]["text/plain"] for output in cell.outputs if set(output.get("data", {})) & {"text/html"}]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_the_notebook_answers_on_the_demo_what_it_shows(
    stored: NotebookNode, demo: dict[str, str], tmp_path: Path
) -> None:
    fresh = deepcopy(stored)
    client = NotebookClient(fresh, timeout=120, record_timing=False, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=clean_environment() | demo | {"IPYTHONDIR": str(tmp_path)})
    if os.environ.get("WRITE_ANSWERS"):
        nbformat.write(fresh, NOTEBOOK)  # type: ignore[no-untyped-call]
        return
    assert said(fresh) == said(stored)
    assert sum(map(len, said(fresh))) >= 5
