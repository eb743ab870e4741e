"""Cost and Usage Reports of accounts that have much or little: their columns as Glue lists them, and their lines."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from pipeline.demo.bill.columns import CUR_2
from pipeline.glue_types import glue_type

Columns = dict[str, str]

_TIMES = ("bill_billing_period_start_date", "line_item_usage_start_date", "line_item_usage_end_date")
_AMOUNTS = ("line_item_usage_amount", "line_item_unblended_cost", "line_item_blended_cost")
_TEXTS = (
    "bill_invoice_id",
    "bill_payer_account_id",
    "line_item_availability_zone",
    "line_item_currency_code",
    "line_item_line_item_description",
    "line_item_line_item_type",
    "line_item_operation",
    "line_item_product_code",
    "line_item_usage_account_id",
    "line_item_usage_type",
)
_RESERVATIONS = (
    "reservation_effective_cost",
    "reservation_unused_amortized_upfront_fee_for_billing_period",
    "reservation_unused_recurring_fee",
)
_PLANS = (
    "savings_plan_amortized_upfront_commitment_for_billing_period",
    "savings_plan_recurring_commitment_for_billing_period",
    "savings_plan_savings_plan_effective_cost",
    "savings_plan_total_commitment_to_date",
    "savings_plan_used_commitment",
)
_NETS = (
    "line_item_net_unblended_cost",
    "reservation_net_effective_cost",
    "reservation_net_unused_amortized_upfront_fee_for_billing_period",
    "reservation_net_unused_recurring_fee",
    "savings_plan_net_amortized_upfront_commitment_for_billing_period",
    "savings_plan_net_recurring_commitment_for_billing_period",
    "savings_plan_net_savings_plan_effective_cost",
)
_SPLITS = (
    "split_line_item_net_split_cost",
    "split_line_item_net_unused_cost",
    "split_line_item_split_cost",
    "split_line_item_unused_cost",
)


def _typed(kind: str, names: Iterable[str]) -> Columns:
    return dict.fromkeys(names, kind)


CUR1_MIN = _typed("string", _TEXTS) | _typed("timestamp", _TIMES) | _typed("double", _AMOUNTS)
"""A report without resource IDs, of an account that never had a commitment, a tag or a discount; not partitioned."""

CUR1_FULL = (
    CUR1_MIN
    | _typed("double", ("pricing_public_on_demand_cost", *_RESERVATIONS, *_PLANS, *_NETS, *_SPLITS))
    | _typed(
        "string",
        (
            "identity_line_item_id",
            "identity_time_interval",
            "line_item_resource_id",
            "pricing_unit",
            "product_instance_type",
            "product_memory",
            "product_product_family",
            "product_region",
            "product_region_code",
            "product_servicecode",
            "product_sku",
            "product_vcpu",
            "reservation_reservation_a_r_n",
            "resource_tags_aws_eks_cluster_name",
            "resource_tags_user_eks_cluster_name",
            "resource_tags_user_team",
            "savings_plan_savings_plan_a_r_n",
            "split_line_item_parent_resource_id",
            "year",
            "month",
        ),
    )
)
"""A report with resource IDs and split cost allocation data, of an account that has all there is."""

CUR2_FULL = {field.name: glue_type(field.type) for field in CUR_2} | {"billing_period": "string"}
"""An export of every column that the product may read."""

CUR2_WITHOUT_FAMILY = {name: kind for name, kind in CUR2_FULL.items() if name != "product_product_family"}
"""The export that AWS's best practices for EMR on EKS select."""

LINE: dict[str, Any] = {
    "bill_billing_period_start_date": datetime(2026, 9, 1),  # noqa: DTZ001  a report's times are naive UTC
    "bill_payer_account_id": "999988887777",
    "line_item_currency_code": "USD",
    "line_item_line_item_type": "Usage",
    "line_item_product_code": "AmazonEC2",
    "line_item_resource_id": "i-0123456789abcdef0",
    "line_item_unblended_cost": 0.1,
    "line_item_usage_account_id": "111122223333",
    "line_item_usage_amount": 1.0,
    "line_item_usage_end_date": datetime(2026, 11, 19, 11),  # noqa: DTZ001
    "line_item_usage_start_date": datetime(2026, 11, 19, 10),  # noqa: DTZ001
    "line_item_usage_type": "BoxUsage:m5.large",
    "product_instance_type": "m5.large",
    "product_vcpu": "2",
}
"""One hour of an instance."""

_ARROW = {"string": pa.string(), "double": pa.float64(), "timestamp": pa.timestamp("ms")}


def delivery(lines: Sequence[Mapping[str, Any]], columns: Columns) -> pa.Table:
    """A file of a report 1.0: *lines* of *columns*, but for those that the file's place in the bucket says."""
    kept = [(name, _ARROW[kind]) for name, kind in columns.items() if name not in {"year", "month"}]
    return pa.Table.from_pylist([dict(line) for line in lines], schema=pa.schema(kept))
