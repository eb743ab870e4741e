"""One line of a CUR 2.0 bill: what is particular to it, and how it becomes a row."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.demo.estate.cluster import Span
from pipeline.demo.estate.nodes import REGION
from pipeline.window import rfc3339

MONTH = Span(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))

_LOCATION = "US East (N. Virginia)"
_BLENDED = {"AmazonEC2": 0.974, "ElasticMapReduce": 0.9875, "AmazonEKS": 0.991}
"""Blended over unblended rate: the organisation buys more than one account does, and pays less per unit."""


@dataclass(frozen=True)
class Account:
    """An AWS account and its name."""

    id: str
    name: str


PAYER = Account("999988887777", "acme-billing")
ANALYTICS = Account("111122223333", "acme-analytics")
WEBSITE = Account("444455556666", "acme-website")


@dataclass(frozen=True)
class Product:
    """What is sold: its service, family, and whatever else the price list says."""

    code: str
    service_code: str | None
    family: str | None
    name: str
    instance_type: str | None = None
    instance_family: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LineItem:
    """One charge; *rate* is USD per unit of the *amount*."""

    span: Span
    product: Product
    usage_type: str
    operation: str
    amount: float
    rate: float
    unit: str
    description: str
    resource_id: str | None = None
    account: Account = ANALYTICS
    line_type: str = "Usage"
    tax_type: str | None = None
    zone: str | None = None
    spot: bool = False
    normalization_factor: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def unblended_cost(self) -> float:
        """USD that the account is charged."""
        return self.amount * self.rate

    def row(self) -> dict[str, object]:
        """Its columns; those that are not here are NULL."""
        return self._identity() | self._bill() | self._line() | self._money() | self._product()

    def _identity(self) -> dict[str, object]:
        """The ID that AWS gives to the same charge in every hour."""
        what = (self.account.id, self.usage_type, self.operation, self.resource_id or "", self.line_type)
        digest = hashlib.sha256("/".join(what).encode()).digest()
        return {
            "identity_line_item_id": base64.b32encode(digest).decode().rstrip("=").lower(),
            "identity_time_interval": f"{rfc3339(self.span.start)}/{rfc3339(self.span.end)}",
        }

    def _bill(self) -> dict[str, object]:
        """An open month has no invoice yet."""
        return {
            "bill_bill_type": "Anniversary",
            "bill_billing_entity": "AWS",
            "bill_billing_period_end_date": _naive(MONTH.end),
            "bill_billing_period_start_date": _naive(MONTH.start),
            "bill_invoice_id": "",
            "bill_invoicing_entity": "Amazon Web Services, Inc.",
            "bill_payer_account_id": PAYER.id,
            "bill_payer_account_name": PAYER.name,
        }

    def _line(self) -> dict[str, object]:
        factor = self.normalization_factor
        return {
            "line_item_availability_zone": None if self.spot else self.zone,
            "line_item_currency_code": "USD",
            "line_item_legal_entity": "Amazon Web Services, Inc.",
            "line_item_line_item_description": self.description,
            "line_item_line_item_type": self.line_type,
            "line_item_normalization_factor": factor,
            "line_item_normalized_usage_amount": None if factor is None else factor * self.amount,
            "line_item_operation": self.operation,
            "line_item_product_code": self.product.code,
            "line_item_resource_id": self.resource_id,
            "line_item_tax_type": self.tax_type,
            "line_item_usage_account_id": self.account.id,
            "line_item_usage_account_name": self.account.name,
            "line_item_usage_amount": self.amount,
            "line_item_usage_end_date": _naive(self.span.end),
            "line_item_usage_start_date": _naive(self.span.start),
            "line_item_usage_type": self.usage_type,
            "resource_tags": sorted(self.tags.items()),
            "cost_category": [],
            "discount": [],
        }

    def _money(self) -> dict[str, object]:
        """Spot has no list price and no term in the bill; nor has tax."""
        listed = self.line_type == "Usage" and not self.spot
        blended = 1 if self.spot else _BLENDED.get(self.product.code, 1)
        return {
            "line_item_blended_cost": self.unblended_cost * blended,
            "line_item_blended_rate": None if self.spot else f"{self.rate * blended:.10f}",
            "line_item_unblended_cost": self.unblended_cost,
            "line_item_unblended_rate": None if self.spot else f"{self.rate:.10f}",
            "pricing_currency": "USD" if listed else None,
            "pricing_public_on_demand_cost": self.unblended_cost if listed else 0.0,
            "pricing_public_on_demand_rate": f"{self.rate:.10f}" if listed else None,
            "pricing_term": "OnDemand" if listed else None,
            "pricing_unit": self.unit if listed else None,
        }

    def _product(self) -> dict[str, object]:
        """Spot lines say nothing of their product but its name and Region."""
        of = self.product
        named = {"product_name": of.name, "region": REGION}
        if self.spot:
            return {"product": sorted(named.items()), "product_region_code": REGION}
        return {
            "product": sorted({**named, **of.attributes}.items()),
            "product_instance_family": of.instance_family,
            "product_instance_type": of.instance_type,
            "product_location": _LOCATION,
            "product_location_type": "AWS Region",
            "product_operation": self.operation,
            "product_product_family": of.family,
            "product_region_code": REGION,
            "product_servicecode": of.service_code,
            "product_usagetype": self.usage_type,
        }


def _naive(instant: datetime) -> datetime:
    """*instant* as Parquet has it: UTC, without saying so."""
    return instant.replace(tzinfo=None)
