"""The bill's table over an export: its columns, its months, and the DDL that says the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pipeline.errors import ContractError

EXPORT = "chargeback.export"  # the parameter that makes a table ours: what it is declared over

_LADDERS = (("int", "bigint"), ("float", "double"))  # Athena reads a file's column as a type further right


@dataclass(frozen=True)
class BillTable:
    """A table over the *export* in a folder of S3, partitioned by *keys*, which are strings.

    *columns* are Glue's types by name; *folders* say where the values of the keys, a month, lie: `s3://.../`.
    """

    export: str
    keys: tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    @property
    def all_columns(self) -> dict[str, str]:
        """The columns and then the keys, with their types."""
        return {**self.columns, **dict.fromkeys(self.keys, "string")}

    def widened(self, added: Mapping[str, str]) -> dict[str, str]:
        """The columns with those of another month: none goes, new ones come last, types become the wider of two.

        Raises:
            ContractError: a column has two types of which Athena reads neither as the other.
        """
        columns = dict(self.columns)
        for name, kind in added.items():
            if name not in self.keys:  # a table has each name once, and the key is what prunes
                columns[name] = _wider(name, columns.get(name, kind), kind)
        return columns

    def partition(self, values: tuple[str, ...]) -> str:
        """A partition as its folder would be called in Hive: `year=2026/month=10`."""
        return "/".join(f"{key}={value}" for key, value in zip(self.keys, values, strict=True))

    def moved(self, former: "BillTable | None") -> dict[tuple[str, ...], str]:
        """The partitions that lie elsewhere than they did in *former*, or were not in it."""
        known = former.folders if former else {}
        return {values: folder for values, folder in self.folders.items() if known.get(values) != folder}


def statements(name: str, table: BillTable, former: BillTable | None) -> Iterator[str]:
    """What makes *table*, called *name* (`database.table`), of *former*, in Athena's DDL."""
    quoted = ".".join(f"`{part}`" for part in name.split("."))
    if former is None:
        yield _create(quoted, table)
    elif former.columns != table.columns:
        yield f"ALTER TABLE {quoted} REPLACE COLUMNS (\n{_columns(table.columns)}\n)"
    for values, folder in table.moved(former).items():
        partition = ", ".join(f"`{key}` = '{value}'" for key, value in zip(table.keys, values, strict=True))
        if former is None or values not in former.folders:
            yield f"ALTER TABLE {quoted} ADD PARTITION ({partition}) LOCATION {_literal(folder)}"
        else:
            yield f"ALTER TABLE {quoted} PARTITION ({partition}) SET LOCATION {_literal(folder)}"


def _create(quoted: str, table: BillTable) -> str:
    keys = ", ".join(f"`{key}` string" for key in table.keys)
    return (
        f"CREATE EXTERNAL TABLE {quoted} (\n{_columns(table.columns)}\n)\n"
        f"PARTITIONED BY ({keys})\nSTORED AS PARQUET\nLOCATION {_literal(table.export + '/')}\n"
        f"TBLPROPERTIES ('classification' = 'parquet', '{EXPORT}' = {_literal(table.export)})"
    )


def _literal(text: str) -> str:
    escaped = text.replace("'", "\\'")
    return f"'{escaped}'"


def _columns(columns: Mapping[str, str]) -> str:
    return ",\n".join(f"  `{name}` {kind}" for name, kind in columns.items())


def _wider(name: str, first: str, second: str) -> str:
    if first == second:
        return first
    for ladder in _LADDERS:
        if first in ladder and second in ladder:
            return max(first, second, key=ladder.index)
    raise ContractError(f"its column {name} is {second}, and {first} in the table, and Athena reads it as one")
