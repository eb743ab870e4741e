"""What publishing asks of the engine before it changes anything: whether every view can be made."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from pipeline.errors import ContractError, StatementFailedError
from pipeline.glue_types import glue_type, null, partition_columns
from pipeline.relations import inlined
from pipeline.tables import Table
from pipeline.warehouse import Warehouse

log = logging.getLogger(__name__)

_LONGEST = 262_144  # bytes of a statement that Athena takes


@dataclass(frozen=True)
class Rehearsal:
    """Views to be made, by name their SELECTs, each after those it reads; *tables* are what those read beside them.

    The tables are SELECTs, too: they may not stand yet, or not as they are about to be. What is in neither is read as
    it stands.
    """

    warehouse: Warehouse
    tables: Mapping[str, str]
    views: Mapping[str, str]

    def require(self) -> None:
        """Have the engine explain the views, all in one statement if it is not too long; no data is read.

        Raises:
            ContractError: a view cannot be made: the first of them, and the engine's reason.
        """
        refused = self._refused(tuple(self.views))
        if refused is not None:
            raise refused

    def _refused(self, names: Sequence[str]) -> ContractError | None:
        """Why the first of the views *names* that cannot be made cannot; None if all can.

        What is refused, or too long to be asked, is asked again in halves: those before come first.
        """
        statement = self._explaining(names)
        if len(statement.encode()) <= _LONGEST:
            reason = self._reason(statement)
            if reason is None:
                return None
            if len(names) == 1:
                return ContractError(f"The view {names[0]} cannot be made: {reason}. Nothing was changed.")
        elif len(names) == 1:
            log.warning("not explained: with what it reads, it is too long for a statement", extra={"view": names[0]})
            return None
        half = len(names) // 2
        return self._refused(names[:half]) or self._refused(names[half:])

    def _explaining(self, names: Sequence[str]) -> str:
        every = ", ".join(f'"{name}"' for name in names)
        asked = f"SELECT count(*) AS found FROM {every}"  # noqa: S608  names of our own views
        return f"EXPLAIN (TYPE VALIDATE)\n{inlined(asked, {**self.tables, **self.views})}"

    def _reason(self, statement: str) -> str | None:
        try:
            self.warehouse.query(statement, "Explaining the views")
        except StatementFailedError as error:
            return error.reason
        return None


def empty_table(table: Table) -> str:
    """The SELECT of *table* as long as it has no rows."""
    return empty({column.name: glue_type(column.type) for column in (*table.columns, *partition_columns(table))})


def empty(columns: Mapping[str, str]) -> str:
    """The SELECT of a relation without rows, of these *columns*, whose types are in Glue's words."""
    return exp.select(*(null(name, kind) for name, kind in columns.items())).where(exp.false()).sql("athena")
