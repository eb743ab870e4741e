"""How emr_costs_focus becomes a Parquet file in FOCUS's own column names: Athena's UNLOAD, by a client of its own."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import awswrangler as wr
import boto3
import click
import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp, parse_one

from pipeline.relations import views

_VIEW = "emr_costs_focus"


@click.command()
@click.option("--database", required=True, help="The Glue database that was published to.")
@click.option("--workgroup", required=True, help="The Athena workgroup.")
@click.option("--staging", required=True, help="An empty S3 prefix that Athena may write to.")
@click.argument("destination", type=click.Path(path_type=Path))
def main(database: str, workgroup: str, staging: str, destination: Path) -> None:
    """Write all of emr_costs_focus into the Parquet file DESTINATION; the AWS SDK finds credentials and endpoint."""
    # UNLOAD keeps a column's type even where every value of it is NULL.
    wr.athena.unload(f"SELECT * FROM {_VIEW}", staging, database, workgroup=workgroup)  # noqa: S608  our own view
    pq.write_table(in_focus_case(pa.concat_tables(_tables(staging))), destination)


def in_focus_case(costs: pa.Table) -> pa.Table:
    """The columns named as the view's SQL writes them, which is as FOCUS does; Athena knows lower case only."""
    [template] = (view.template for view in views("cur2") if view.name == _VIEW)
    names = {name.lower(): name for name in parse_one(template, read="athena").assert_is(exp.Query).named_selects}
    return costs.rename_columns([names[column] for column in costs.column_names])


def _tables(prefix: str) -> Iterator[pa.Table]:
    s3, place = boto3.client("s3"), urlsplit(prefix)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=place.netloc, Prefix=place.path.lstrip("/"))
    for found in (found for page in pages for found in page.get("Contents", [])):
        body = s3.get_object(Bucket=place.netloc, Key=found["Key"])["Body"].read()
        yield pq.read_table(BytesIO(body))


if __name__ == "__main__":
    main()
