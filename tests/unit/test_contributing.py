import re
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
GUIDE = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_map_has_one_line_for_each_module_and_none_for_others() -> None:
    mapped = re.findall(r"^\| `([\w.]+|demo/)` \|", GUIDE, re.MULTILINE)
    modules = [path.name for path in (CHECKOUT / "pipeline").glob("*.py") if path.name != "__init__.py"]
    assert sorted(mapped) == sorted([*modules, "demo/"])


def test_every_path_in_the_guide_exists() -> None:
    paths = set(re.findall(r"(?:pipeline|sql|tests|docs|cronjob|dashboards|\.ci)/[\w./-]*", GUIDE))
    assert {path for path in paths if "NAME" not in path and not (CHECKOUT / path).exists()} == set()


def test_every_make_target_in_the_guide_is_one() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"`make (?:\w+=\S+ )?([a-z]+)`", GUIDE))
    assert named == targets - {"help", "clean"}
