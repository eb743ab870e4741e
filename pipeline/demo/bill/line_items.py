"""The estate's bill of October 2026 as a CUR 2.0 export, with lines that are not the cluster's own among them."""

from collections.abc import Iterator

import pyarrow as pa

from pipeline.demo.bill.adjustments import credit_lines, refund_line, tax_line
from pipeline.demo.bill.columns import CUR_2
from pipeline.demo.bill.compute import fargate_lines, instance_lines, uplift_lines, volume_lines
from pipeline.demo.bill.coverage import reservation_fee, with_commitments
from pipeline.demo.bill.lines import LineItem
from pipeline.demo.bill.services import (
    control_plane_line,
    lake_line,
    load_balancer_lines,
    nat_gateway_lines,
    website_line,
    zone_transfer_lines,
)
from pipeline.demo.bill.splits import split_lines
from pipeline.demo.estate.cluster import Span
from pipeline.demo.estate.estate import Estate


def line_items(estate: Estate) -> pa.Table:
    """Bill *estate*: one row per line of `bill_lines`, and then per pod, hour and resource of split cost data."""
    charges = bill_lines(estate)
    lines = (*charges, *split_lines(estate, charges))
    return pa.Table.from_pylist([line.row() for line in lines], schema=CUR_2)


def bill_lines(estate: Estate) -> tuple[LineItem, ...]:
    """Every charge: hour by hour, then the reservation's fee, credits, a refund, and the tax of the month."""
    uplift = [line for of in estate.true_uplift() for line in uplift_lines(of)]
    hours = [Span(window.start, window.end) for window in estate.windows()]
    others = [line for hour in hours for line in with_commitments(list(_usage(estate, hour)), hour)]
    hourly = sorted([*uplift, *others], key=lambda line: line.span)  # stable: within the hour as they were made
    taxed = [*hourly, reservation_fee(hourly, estate.history), *credit_lines(estate), refund_line(estate)]
    return (*taxed, tax_line(taxed))


def _usage(estate: Estate, hour: Span) -> Iterator[LineItem]:
    """A line's interval is the whole hour, however much of it was used."""
    yield from instance_lines(estate, hour)
    yield from volume_lines(estate, hour)
    yield from fargate_lines(estate, hour)
    yield from zone_transfer_lines(estate, hour)
    yield from nat_gateway_lines(estate, hour)
    yield from load_balancer_lines(estate, hour)
    yield control_plane_line(estate, hour)
    yield lake_line(hour)
    yield website_line(hour)
