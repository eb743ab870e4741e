"""Which columns the dashboard's data sets have, of which types, and how their SQL is asked of one database."""

import re
from collections.abc import Mapping
from functools import cache

from sqlglot import MappingSchema

from pipeline.dictionary import lake_types, output_types, typed_views
from pipeline.errors import ConfigurationError
from pipeline.quicksight_fields import ColumnType
from pipeline.relations import relations_read
from pipeline.story import Story

_TYPES: Mapping[str, ColumnType] = {
    "bigint": "INTEGER",
    "boolean": "BOOLEAN",
    "date": "DATETIME",
    "double": "DECIMAL",
    "integer": "INTEGER",
    "timestamp": "DATETIME",
    "varchar": "STRING",
}
"""QuickSight's name of each of Athena's types."""


def columns(story: Story) -> dict[str, dict[str, ColumnType]]:
    """The columns of every data set and their types, as they follow from the SQL of the data set and of the views.

    Raises:
        ConfigurationError: the type of a column does not follow from the SQL, or QuickSight does not know it.
    """
    known = _known()
    found: dict[str, dict[str, ColumnType]] = {}
    for name, select in story.selects.items():
        types = output_types(select, known)
        if odd := {column: kind for column, kind in types.items() if kind not in _TYPES}:
            raise ConfigurationError(f"dashboards/data_sets/{name}.sql: QuickSight has no type for {odd}")
        found[name] = {column: _TYPES[kind] for column, kind in types.items()}
    return found


@cache
def _known() -> MappingSchema:
    """The columns of every table and view, which ship with the release and do not change."""
    known = lake_types()
    for _ in typed_views(known):  # which makes them known, too
        pass
    return known


def asked_of(select: str, database: str) -> str:
    """*select* with the names of what it reads after that of their *database*; all else stays as it was written."""
    for name in sorted(relations_read(select)):
        select = re.sub(rf"\b(FROM|JOIN) {name}\b", rf'\1 "{database}"."{name}"', select)
    return select
