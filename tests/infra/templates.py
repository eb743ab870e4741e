"""The CloudFormation templates of infra/, as text and as they are written."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

INFRA = Path(__file__).parents[2] / "infra"
TEMPLATES = ("lake", "cluster", "cost-report", "kubecost")


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, each as its long one."""


def _long_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    match node:
        case yaml.SequenceNode():
            value: Any = loader.construct_sequence(node, deep=True)
        case yaml.MappingNode():
            value = loader.construct_mapping(node, deep=True)
        case _:
            value = loader.construct_scalar(node)  # type: ignore[arg-type]  # there is no fourth kind
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _long_form)


def template_text(name: str) -> str:
    return (INFRA / f"{name}.yaml").read_text(encoding="utf-8")


@cache
def read_template(name: str) -> dict[str, Any]:
    """A template with its functions in their long form; nothing is resolved."""
    read: dict[str, Any] = yaml.load(template_text(name), _Loader)  # a SafeLoader
    return read
