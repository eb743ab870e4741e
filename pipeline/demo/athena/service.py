"""Teaches moto's Athena to run its queries: moto keeps the books and speaks the protocol, the engine answers."""

import json
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from moto.athena.models import AthenaBackend, Execution, WorkGroup
from moto.athena.responses import AthenaResponse
from moto.core.exceptions import JsonRESTError
from moto.glue.models import glue_backends
from moto.s3.models import s3_backends

from pipeline.demo.athena.accesses import Accesses
from pipeline.demo.athena.bucket_objects import Buckets
from pipeline.demo.athena.dialect import StatementError
from pipeline.demo.athena.engine import Engine, Outcome, Request
from pipeline.demo.athena.glue_catalog import Catalog, Column, Name, Table, ViewColumn

PAGE_ROWS = 1000
"""Rows in one answer of GetQueryResults, at most; on the first page the header is one of them."""

LONGEST_QUERY = 262_144
"""Bytes of a statement, at most."""


class QueryExecution(Execution):
    """An execution of moto's that remembers how it ended, and what was done for whoever asked."""

    outcome = Outcome("")
    reason = ""
    accesses: Accesses


def _wall_clock() -> datetime:
    return datetime.now(UTC)


def install(clock: Callable[[], datetime] = _wall_clock) -> None:
    """Make every moto server and mock of this process run Athena's queries; more than once does no harm.

    moto is somebody else's test double, whose Athena stores a query and answers with rows given beforehand: its
    methods are replaced here, in one place, rather than its code copied. Nothing of ours is patched anywhere.
    *clock* is what `NOW`, `current_timestamp` and `current_date` mean; the last one installed counts.
    """

    def start_query_execution(
        backend: AthenaBackend,
        query: str,
        context: Any,  # noqa: ANN401  moto calls it a str, and gives a dict or None
        config: dict[str, Any] | None,
        workgroup: str | None,
        execution_parameters: list[str] | None,
    ) -> str:
        if len(query.encode()) > LONGEST_QUERY:
            raise _invalid(
                "1 validation error detected: Value at 'queryString' failed to satisfy constraint: "
                f"Member must have length less than or equal to {LONGEST_QUERY}"
            )
        group, settings = _settings(backend, config, workgroup or "primary")
        execution = QueryExecution(query, context, settings, group, execution_parameters)
        backend.executions[execution.id] = execution
        _run(backend, execution, (context or {}).get("Database"), clock())
        return execution.id

    setattr(AthenaBackend, start_query_execution.__name__, start_query_execution)
    for action in _ACTIONS:
        setattr(AthenaResponse, action.__name__, action)


def _invalid(message: str) -> JsonRESTError:
    return JsonRESTError("InvalidRequestException", message)


def _settings(backend: AthenaBackend, asked: dict[str, Any] | None, workgroup: str) -> tuple[WorkGroup, dict[str, Any]]:
    """The workgroup, and its result configuration where it is enforced, else the client's over it."""
    group = backend.work_groups.get(workgroup)
    if group is None:
        raise _invalid("WorkGroup is not found.")
    configured = group.configuration.get("ResultConfiguration") or {}
    enforced = group.configuration["EnforceWorkGroupConfiguration"] and configured.get("OutputLocation")
    settings = dict(configured) if enforced else {**configured, **(asked or {})}
    if not settings.get("OutputLocation"):
        raise _invalid(
            "No output location provided. An output location is required either through the Workgroup "
            "result configuration setting or as an API input."
        )
    return group, settings


def _run(backend: AthenaBackend, execution: QueryExecution, database: str | None, now: datetime) -> None:
    """Run the execution and keep its outcome with it; a failure is a state of the execution."""
    execution.accesses = []
    buckets = Buckets(s3_backends[backend.account_id][backend.partition], execution.accesses)
    catalog = Catalog(glue_backends[backend.account_id][backend.region_name], execution.accesses)
    # moto has appended the name of the result file to the location
    output = execution.config["OutputLocation"].removesuffix(f"{execution.id}.csv")
    request = Request(
        execution_id=execution.id,
        sql=execution.query,
        database=(database or "default").lower(),
        parameters=tuple(execution.execution_parameters or ()),
        output_location=output,
    )
    try:
        buckets.require_bucket(output)
        execution.outcome = Engine(catalog, buckets, now).run(request)
        _write_results(buckets, execution, output)
    except StatementError as error:
        execution.status = "FAILED"
        execution.reason = str(error)
    execution.end_time = time.time()


def _write_results(buckets: Buckets, execution: QueryExecution, output: str) -> None:
    """The result file that clients read instead of asking for pages: CSV of a query, text of the rest."""
    outcome = execution.outcome
    if outcome.written is not None:
        manifest = "\n".join(outcome.written) + "\n" if outcome.written else ""
        buckets.put(f"{output}{execution.id}-manifest.csv", manifest.encode())
    elif outcome.substatement == "SELECT":
        header = tuple(column.name for column in outcome.columns)
        buckets.put(execution.config["OutputLocation"], _csv([header, *outcome.rows]))
    else:
        execution.config["OutputLocation"] = f"{output}{execution.id}.txt"
        lines = "".join("\t".join(cell or "" for cell in row) + "\n" for row in outcome.rows)
        buckets.put(execution.config["OutputLocation"], lines.encode())


def _csv(rows: Sequence[tuple[str | None, ...]]) -> bytes:
    """As Athena does: every text quoted, NULL an empty field without quotes."""
    return "".join(",".join(_quoted(cell) for cell in row) + "\n" for row in rows).encode()


def _quoted(cell: str | None) -> str:
    return "" if cell is None else '"' + cell.replace('"', '""') + '"'


def _execution(response: AthenaResponse) -> QueryExecution:
    execution_id = response._get_param("QueryExecutionId")
    execution = response.athena_backend.executions.get(execution_id)
    if not isinstance(execution, QueryExecution):
        raise _invalid(f"QueryExecution {execution_id} was not found")
    return execution


def get_query_execution(self: AthenaResponse) -> str:
    """The answer of moto, with the outcome of the run."""
    execution = _execution(self)
    reply = json.loads(_describe_by_moto(self))
    answer = reply["QueryExecution"]
    answer["EngineVersion"] = {
        "SelectedEngineVersion": "AUTO",
        "EffectiveEngineVersion": "Athena engine version 3",
    }
    if execution.status == "FAILED":
        answer["Status"] |= {"StateChangeReason": execution.reason, "AthenaError": _error(execution.reason)}
        return json.dumps(reply)
    outcome = execution.outcome
    answer |= {"StatementType": outcome.statement, "SubstatementType": outcome.substatement}
    answer["Statistics"]["DataScannedInBytes"] = outcome.bytes_read
    if outcome.written is not None:
        folder = execution.config["OutputLocation"].removesuffix(".csv")
        answer["Statistics"]["DataManifestLocation"] = f"{folder}-manifest.csv"
    return json.dumps(reply)


def _error(reason: str) -> dict[str, object]:
    user_error = {"ErrorCategory": 2, "ErrorType": 1006, "Retryable": False}
    return {**user_error, "ErrorMessage": reason}


def get_query_results(self: AthenaResponse) -> str:
    """One page of the rows, and the token of the next."""
    execution = _execution(self)
    if execution.status != "SUCCEEDED":
        raise _invalid(f"Query did not finish successfully. Final query state: {execution.status}")
    outcome = execution.outcome
    header = tuple(column.name for column in outcome.columns)
    rows = (header, *outcome.rows) if outcome.substatement == "SELECT" else outcome.rows
    first, last = _page(self._get_param("NextToken"), self._get_param("MaxResults"))
    page = [{"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]} for row in rows[first:last]]
    metadata = {"ColumnInfo": [_column_info(column) for column in outcome.columns]}
    reply = {"ResultSet": {"Rows": page, "ResultSetMetadata": metadata}, "UpdateCount": 0}
    return json.dumps(reply | ({"NextToken": str(last)} if last < len(rows) else {}))


def _page(token: str | None, count: int | None) -> tuple[int, int]:
    """The first row of a page, and the one behind its last; the header is a row of the first page."""
    if count is not None and not 0 < count <= PAGE_ROWS:
        raise _invalid(f"MaxResults is more than maximum allowed length {PAGE_ROWS}.")
    if token is not None and not token.isdigit():
        raise _invalid("Invalid NextToken")
    first = int(token or 0)
    return first, first + (count or PAGE_ROWS)


_DIGITS = {
    "varchar": (2147483647, 0),
    "tinyint": (3, 0),
    "smallint": (5, 0),
    "integer": (10, 0),
    "bigint": (19, 0),
    "real": (17, 0),
    "double": (17, 0),
    "timestamp": (3, 0),
}


def _column_info(column: ViewColumn) -> dict[str, object]:
    """A column as GetQueryResults describes it: the bare type, and precision and scale beside it."""
    base, _, rest = column.type.partition("(")
    parameters, _, suffix = rest.partition(")")
    precision, scale = _DIGITS.get(base, (0, 0))
    if base == "decimal":
        precision, scale = (int(part) for part in parameters.split(","))
    zone = suffix if base == "timestamp" else ""
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": column.name,
        "Label": column.name,
        "Type": ("float" if base == "real" else base) + zone,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": base == "varchar",
    }


def get_work_group(self: AthenaResponse) -> str:
    """The answer of moto; an unknown workgroup is an error, as in Athena."""
    group = self.athena_backend.get_work_group(self._get_param("WorkGroup"))
    if group is None:
        raise _invalid("WorkGroup is not found.")
    return json.dumps({"WorkGroup": group})


def _catalog(response: AthenaResponse) -> Catalog:
    return Catalog(glue_backends[response.current_account][response.region], [])


def get_table_metadata(self: AthenaResponse) -> str:
    """One table of the catalog, as Athena's own metadata API describes it."""
    name = Name(self._get_param("DatabaseName").lower(), self._get_param("TableName").lower())
    table = _catalog(self).find(name)
    if table is None:
        raise _metadata_error(f"EntityNotFoundException: Entity Not Found: {name}")
    return json.dumps({"TableMetadata": _metadata(table)})


def list_table_metadata(self: AthenaResponse) -> str:
    """The tables of a database whose names match the expression."""
    database, expression = self._get_param("DatabaseName").lower(), self._get_param("Expression") or ".*"
    catalog = _catalog(self)
    if not catalog.has_database(database):
        raise _metadata_error(f"EntityNotFoundException: Database {database} not found.")
    tables = (table for table in catalog.tables(database) if re.fullmatch(expression, table.name))
    found = [_metadata(table) for table in tables]
    return json.dumps({"TableMetadataList": found})


def _metadata_error(message: str) -> JsonRESTError:
    return JsonRESTError("MetadataException", message)


def _metadata(table: Table) -> dict[str, object]:
    return {
        "Name": table.name,
        "TableType": table.table_type or "EXTERNAL_TABLE",
        "Columns": [_column(column) for column in table.storage_descriptor.columns],
        "PartitionKeys": [_column(column) for column in table.partition_keys],
        "Parameters": table.parameters,
    }


def _column(column: Column) -> dict[str, str]:
    comment = {} if column.comment is None else {"Comment": column.comment}
    return {"Name": column.name, "Type": column.type, **comment}


_describe_by_moto = AthenaResponse.get_query_execution
_ACTIONS = (
    get_query_execution,
    get_query_results,
    get_table_metadata,
    get_work_group,
    list_table_metadata,
)
