"""What a Glue database holds under certain names, remembered, and put back if what is done to them fails."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import boto3

from pipeline.aws import CONFIG, translated
from pipeline.errors import ChargebackError

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_glue.type_defs import TableInputTypeDef

    Entries = Mapping[str, TableInputTypeDef]


class FormerEntries:
    """The entries of one Glue *database*, tables and views, seen through *session*."""

    def __init__(self, session: boto3.Session, database: str) -> None:
        with translated("Connecting to Glue"):
            self._glue: GlueClient = session.client("glue", config=CONFIG)
        self._database = database

    @contextmanager
    def put_back_on_failure(self, names: Iterable[str]) -> Iterator[None]:
        """Remember what *names* stand for, and put it back if what is done meanwhile fails; the error's note says so.

        What a name did not stand for is gone again; partitions are left alone. An interrupt is not held up by it:
        whoever publishes again makes everything whole.
        """
        remembered = frozenset(names)
        former = self._entries(remembered)
        try:
            yield
        except Exception as error:
            error.add_note(self._put_back(remembered, former))
            raise

    def _entries(self, names: frozenset[str]) -> "Entries":
        """The entries of these names, as they would be written."""
        with translated(f"Listing the Glue database {self._database} (glue:GetTables)"):
            pages = self._glue.get_paginator("get_tables").paginate(DatabaseName=self._database)
            found = [table for page in pages for table in page["TableList"] if table["Name"] in names]
        written = self._glue.meta.service_model.shape_for("TableInput").members  # type: ignore[attr-defined]
        inputs = [{key: value for key, value in table.items() if key in written} for table in found]
        return {str(entry["Name"]): cast("TableInputTypeDef", entry) for entry in inputs}

    def _put_back(self, names: frozenset[str], former: "Entries") -> str:
        """Undo what has changed, one entry after the other, and say in a sentence what came of it."""
        lost: dict[str, ChargebackError] = {}
        try:
            now = self._entries(names)
        except ChargebackError as error:
            return f"What stood in the Glue database {self._database} could not be put back: {error} {_AGAIN}"
        for name in sorted(names):
            try:
                self._restore(name, now.get(name), former.get(name))
            except ChargebackError as error:
                lost[name] = error
        if lost:
            return (
                f"In the Glue database {self._database}, {', '.join(lost)} could not be put back as before: "
                f"{next(iter(lost.values()))} {_AGAIN}"
            )
        return f"The tables and views in the Glue database {self._database} are again what they were before."

    def _restore(self, name: str, now: "TableInputTypeDef | None", former: "TableInputTypeDef | None") -> None:
        if now == former:
            return
        with translated(f"Putting {self._database}.{name} back"):
            if now is not None and (former is None or former.get("TableType") != now.get("TableType")):
                self._glue.delete_table(DatabaseName=self._database, Name=name)
                now = None
            if former is None:
                return
            if now is None:
                self._glue.create_table(DatabaseName=self._database, TableInput=former)
            else:
                self._glue.update_table(DatabaseName=self._database, TableInput=former)


_AGAIN = "Run `chargeback publish` again: it makes all of them new."
