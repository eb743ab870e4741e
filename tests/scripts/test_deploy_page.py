import re

import pytest

from tests.deploying import CHECKOUT, Place

PAGE = (CHECKOUT / "docs" / "deploy.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", ["deploy.sh", "destroy.sh"])
def test_the_page_has_every_option_of_the_scripts_and_no_other(place: Place, script: str) -> None:
    helped = set(re.findall(r"^  (--[a-z-]+)", place.run(script, "--help").out, re.MULTILINE)) - {"--help"}
    removing = PAGE.partition("\n## Removing it\n")[2]
    table = removing if script == "destroy.sh" else PAGE.removesuffix(removing)
    rows = re.findall(r"^\| (`--.*?) \| ", table, re.MULTILINE)
    assert {option for row in rows for option in re.findall(r"--[a-z-]+", row)} == helped


def test_the_page_names_every_stack_and_template() -> None:
    for template in ("lake", "cost-report", "cluster", "kubecost"):
        assert f"infra/{template}.yaml" in PAGE
    for stack in ("chargeback-lake", "chargeback-cost-report", "chargeback-<cluster>", "chargeback-kubecost-<cluster>"):
        assert f"`{stack}`" in PAGE


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_within_the_page_lead_to_its_headings() -> None:
    links = set(re.findall(r"\]\(#([a-z0-9-]+)\)", PAGE))
    assert links
    assert links <= _anchors(PAGE)


def test_links_to_files_that_are_there_lead_to_their_headings() -> None:
    for name, anchor in re.findall(r"\]\(([\w./-]+)(?:#([\w-]+))?\)", PAGE):
        path = CHECKOUT / "docs" / name
        assert path.exists(), name
        assert not anchor or anchor in _anchors(path.read_text(encoding="utf-8")), f"{name}#{anchor}"
