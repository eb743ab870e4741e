import json
from importlib.resources import files

from tests.sql.warehouse import warehouse

PUBLIC = {"aws", "aws-cn", "aws-eusc", "aws-us-gov"}


def test_regions_are_called_as_aws_calls_them_and_an_unknown_one_by_its_code() -> None:
    partitions = json.loads((files("botocore") / "data" / "partitions.json").read_text(encoding="utf-8"))["partitions"]
    named = {
        code: region["description"]
        for partition in partitions
        if partition["id"] in PUBLIC
        for code, region in partition["regions"].items()
        if not code.endswith("-global")
    }
    of_tomorrow = {"mars-north-1": "mars-north-1"}
    rows = [{"region": code} for code in named | of_tomorrow]
    charges = warehouse({"cost_ledger": rows}).query("SELECT RegionId, RegionName FROM emr_costs_focus")
    assert {charge["RegionId"]: charge["RegionName"] for charge in charges} == named | of_tomorrow
