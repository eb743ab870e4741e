"""The demo's estate as these tests need it: a bill that is partly invoiced, and a policy that says something of all."""

from collections.abc import Callable
from datetime import datetime
from io import BytesIO
from pathlib import Path
from subprocess import CompletedProcess

import boto3
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.demo.stack import BILL_BUCKET, Stack
from pipeline.window import rfc3339
from tests.served import finished, started

COMPARED = "compared"
"""The Glue database that is published to through Athena; the stack's own is Trino's."""

Stage = Callable[[str], None]
"""Says on the terminal what begins."""

Command = Callable[..., CompletedProcess[str]]
"""Runs one command of ours, given its words."""

_PATIENCE = 900  # seconds; on an idle machine a command takes a minute at most
_INVOICE = "1234567890"
_INVOICED = ("AmazonS3", "ElasticMapReduce")

_POLICY = {
    "cost_centers": "priority,cost_center,namespace,label_key,label_value\n"
    "10,risk,emr-risk,,\n20,marketing,,team,marketing\n30,platform-team,kube-system,,\n",
    "sole_tenancy": "priority,cost_center,node_pool\n10,science,gpu\n",
    "other_services": "priority,cost_center,tag_key,tag_value\n10,risk,team,risk\n",
    "distribution": "pool,method,owner\nidle,proportional,\nplatform,even,\ncontrol_plane,owner,platform-team\n",
    "markups": "cost_center,factor\nrisk,1.05\n",
    "settings": "correct_hours\non\n",
}


def chargeback(stack: Stack, *arguments: str, **settings: str) -> CompletedProcess[str]:
    """Run one command, such as a user would, on *stack*, as of its time unless told; one that fails is an error."""
    command, *words = arguments
    as_of = ("--now", rfc3339(stack.now))
    process = started(command, *as_of, *words, environment={**stack.environment, **settings})
    completed = finished(process, _PATIENCE)
    assert completed.returncode == 0, f"chargeback {' '.join(arguments)}:\n{completed.stdout}\n{completed.stderr}"
    return completed


def invoice() -> float:
    """Put a part of the bill on an invoice, and the bucket's lines under a team's tag; returns the invoice's total."""
    s3 = boto3.client("s3")
    [found] = s3.list_objects_v2(Bucket=BILL_BUCKET)["Contents"]
    bill = pq.read_table(BytesIO(s3.get_object(Bucket=BILL_BUCKET, Key=found["Key"])["Body"].read()))
    lines = bill.to_pylist()
    invoiced = [line for line in lines if line["line_item_product_code"] in _INVOICED]
    for line in invoiced:
        line["bill_invoice_id"] = _INVOICE
        if line["line_item_product_code"] == "AmazonS3":
            line["resource_tags"] = [("user_team", "risk")]
    body = BytesIO()
    pq.write_table(pa.Table.from_pylist(lines, schema=bill.schema), body)
    s3.put_object(Bucket=BILL_BUCKET, Key=found["Key"], Body=body.getvalue())
    return float(sum(line["line_item_unblended_cost"] for line in invoiced))


def write_policy(directory: Path, billing_period: str, total: float) -> None:
    """Write a policy of every kind; the invoice's total is what finance has."""
    invoices = f"billing_period,invoice_id,total\n{billing_period},{_INVOICE},{total}\n"
    for name, text in {**_POLICY, "invoices": invoices}.items():
        (directory / f"{name}.csv").write_text(text, encoding="utf-8")


def end_days(last: datetime, database: str) -> None:
    """Let *database*'s tables have no days after *last*: to Trino, `NOW` is what this machine's clock says."""
    glue = boto3.client("glue")
    for page in glue.get_paginator("get_tables").paginate(DatabaseName=database):
        for found in page["TableList"]:
            parameters = found.get("Parameters", {})
            ending = {name: value.replace("NOW+1DAYS", f"{last:%Y-%m-%d}") for name, value in parameters.items()}
            if ending != parameters:
                glue.update_table(
                    DatabaseName=database,
                    TableInput={
                        "Name": found["Name"],
                        "TableType": found["TableType"],
                        "PartitionKeys": found["PartitionKeys"],
                        "StorageDescriptor": found["StorageDescriptor"],
                        "Parameters": ending,
                    },
                )
