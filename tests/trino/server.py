"""A single-node Trino on loopback, over the Glue catalog and the S3 of an AWS endpoint on this machine."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.trino.installation import Installation, TrinoUnavailableError, installed

CATALOG = "awsdatacatalog"
"""Athena's own name for the Glue catalog, with which queries and stored views may qualify their tables."""

_PATIENCE = 300  # seconds from the start to the first answer; on an idle machine it takes ten
_JAVA_OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.timezone=UTC")

_CONFIG = """\
node.environment=test
node.id=local
node.bind-ip=127.0.0.1
node.internal-address=127.0.0.1
coordinator=true
node-scheduler.include-coordinator=true
http-server.http.port={port}
discovery.uri=http://127.0.0.1:{port}
plugin.dir={plugins}
catalog.config-dir={run}/catalog
query.max-memory={query_mb}MB
query.max-memory-per-node={query_mb}MB
"""

# Statistics are off: with them Trino asks Glue about every column while it plans, which moto cannot answer.
# The wait makes a dynamic filter prune always, and not only when it happens to be there in time.
# Of the directories of a scan two are listed at once: dozens of connections at once are more than moto's socket takes.
_CATALOG_CONFIG = """\
connector.name=hive
hive.metastore=glue
hive.metastore.glue.region={region}
hive.metastore.glue.endpoint-url={endpoint}
hive.metastore.glue.aws-access-key=test
hive.metastore.glue.aws-secret-key=test
fs.native-s3.enabled=true
s3.region={region}
s3.endpoint={endpoint}
s3.path-style-access=true
s3.aws-access-key=test
s3.aws-secret-key=test
hive.parquet.time-zone=UTC
hive.recursive-directories=true
hive.split-loader-concurrency=2
hive.non-managed-table-writes-enabled=true
hive.table-statistics-enabled=false
hive.collect-column-statistics-on-write=false
hive.dynamic-filtering.wait-timeout=10s
parquet.max-merge-distance={reader.max_merge_distance}
parquet.small-file-threshold={reader.small_file_threshold}
"""


@dataclass(frozen=True)
class Reader:
    """How the Parquet reader asks S3, in Trino's units of size; unless told, as Trino does."""

    max_merge_distance: str = "1MB"
    """Two reads that are no further apart are one, which reads what lies between them, too."""
    small_file_threshold: str = "3MB"
    """A file that is smaller is read whole."""


AS_SHIPPED = Reader()
AS_ASKED = Reader("0B", "0B")
"""Reads what a query asks for, and nothing beside it."""


@contextmanager
def running(
    aws_endpoint: str,
    *,
    probe: str,
    database: str = "default",
    region: str = "us-east-1",
    reader: Reader = AS_SHIPPED,
    memory_gb: int = 2,
) -> Iterator[str]:
    """Yield the SQLAlchemy URL of a Trino whose tables are those of *aws_endpoint*'s Glue in *region*.

    A query may take half of its *memory_gb*.

    *probe* is a query that scans one of these tables, under its full name `awsdatacatalog.database.table`: until it is
    answered, others may not be, as `SELECT 1` is seconds before there is a node that scans.

    Raises:
        TrinoUnavailableError: Trino cannot run here, or did not start.
    """
    installation = installed()
    with TemporaryDirectory(prefix="trino-") as directory:
        run, port = Path(directory), _free_port()
        catalog = _CATALOG_CONFIG.format(region=region, endpoint=aws_endpoint, reader=reader)
        _configure(run, installation.plugins, port, catalog, memory_gb)
        with _process(installation, run, memory_gb) as server:
            _wait(server, port, probe, run / "log")
            yield f"trino://chargeback@127.0.0.1:{port}/{CATALOG}/{database}"


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def _configure(run: Path, plugins: Path, port: int, catalog: str, memory_gb: int) -> None:
    (run / "catalog").mkdir()
    (run / "catalog" / f"{CATALOG}.properties").write_text(catalog, encoding="utf-8")
    config = _CONFIG.format(port=port, plugins=plugins, run=run, query_mb=memory_gb * 512)
    (run / "config.properties").write_text(config, encoding="utf-8")


@contextmanager
def _process(installation: Installation, run: Path, memory_gb: int) -> Iterator[subprocess.Popen[bytes]]:
    """The server at work in the directory *run*; it is stopped at the end."""
    command = [str(installation.java), f"-Xmx{memory_gb}G", *_JAVA_OPTIONS, f"-Dconfig={run}/config.properties"]
    command += ["-cp", installation.classpath, "io.trino.server.TrinoServer"]
    with (run / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, cwd=run) as server:
        try:
            yield server
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait(server: subprocess.Popen[bytes], port: int, probe: str, log: Path) -> None:
    deadline, last = time.monotonic() + _PATIENCE, ""
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise TrinoUnavailableError(f"Trino ended with {server.returncode} before it answered:\n{_end_of(log)}")
        last = _refusal(port, probe)
        if not last:
            return
        time.sleep(0.2)
    raise TrinoUnavailableError(f"Trino did not answer in {_PATIENCE} seconds: {last}\n{_end_of(log)}")


def _refusal(port: int, probe: str) -> str:
    """Why *probe* is not answered yet; empty once it is."""
    try:
        from trino.dbapi import connect
        from trino.exceptions import Error, TrinoUserError
    except ModuleNotFoundError as error:
        raise TrinoUnavailableError("Trino's client is not installed; `make trino` installs it.") from error
    try:
        with connect(host="127.0.0.1", port=port, user="chargeback", max_attempts=1) as connection:
            connection.cursor().execute(probe).fetchall()
    except TrinoUserError:
        raise  # the probe itself is wrong
    except (Error, OSError) as error:  # refused, starting, or no node for the catalog yet
        return str(error)
    return ""


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
