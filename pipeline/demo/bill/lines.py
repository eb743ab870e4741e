"""One line of a CUR 2.0 bill: what is particular to it, what it costs on every basis, and how it becomes a row."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

from pipeline.demo.estate.cluster import Span
from pipeline.demo.estate.nodes import REGION
from pipeline.demo.estate.prices import ENTERPRISE_DISCOUNT
from pipeline.window import rfc3339

MONTH = Span(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))

LineClass = Literal[
    "split_cost",
    "tax",
    "credit",
    "refund",
    "commitment_unused",
    "commitment",
    "emr_uplift",
    "fargate",
    "control_plane",
    "network",
    "compute",
    "storage",
    "load_balancer",
    "other",
]
"""What a line is charged for: known here from who makes the line, to the product only from what the line says."""

_LOCATION = "US East (N. Virginia)"
_BLENDED = {"AmazonEC2": 0.974, "ElasticMapReduce": 0.9875, "AmazonEKS": 0.991}
"""Blended over unblended rate: the organisation buys more than one account does, and pays less per unit."""
_PRICE_LISTED = {
    "Usage": "OnDemand",
    "SavingsPlanCoveredUsage": "OnDemand",
    "SavingsPlanNegation": "OnDemand",
    "DiscountedUsage": "Reserved",
}
"""The pricing term of the line types that have a public price."""
_ON_DEMAND_RATE = "JRTCKXETXF.6YS6EN2CT7"
"""The price list's codes of the On Demand term and of its price per unit."""
_UNDISCOUNTED = frozenset({"Tax", "Credit", "Refund"})


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


class Terms(Protocol):
    """What a line says of a commitment, or of the pods that share it."""

    def amortized_cost(self) -> float:
        """USD before private discounts that the line costs once fees are spread over what they pay for."""

    def columns(self, kept: float) -> dict[str, object]:
        """Its columns; *kept* is the part of a cost that private discounts leave."""


@dataclass(frozen=True)
class LineItem:
    """One charge; *rate* is USD per unit of the *amount*, *plan_rate* what a Savings Plan takes for what it covers.

    *in_scope* says whether the cost belongs to the estate's cluster, as the product should find by ID or tag.
    """

    span: Span
    product: Product
    usage_type: str
    operation: str
    amount: float
    rate: float
    unit: str
    description: str
    line_class: LineClass
    in_scope: bool = True
    resource_id: str | None = None
    account: Account = ANALYTICS
    line_type: str = "Usage"
    tax_type: str | None = None
    zone: str | None = None
    spot: bool = False
    normalization_factor: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    plan_rate: float | None = None
    list_rate: float | None = None
    terms: Terms | None = None

    @property
    def unblended_cost(self) -> float:
        """USD that the account is charged before private discounts."""
        return self.amount * self.rate

    @property
    def sku(self) -> str | None:
        """What the price list calls it; what is no usage and no fee, and what bills nothing, has none."""
        if self.line_type in _UNDISCOUNTED or self.line_class == "split_cost":
            return None
        return _digest(f"{self.product.code}/{self.usage_type}/{self.operation}")[:16].upper()

    @property
    def kept(self) -> float:
        """The part of a cost that the enterprise discount leaves; tax, credits and refunds come after it."""
        return 1 if self.line_type in _UNDISCOUNTED else 1 - ENTERPRISE_DISCOUNT

    @property
    def amortized_cost(self) -> float:
        """USD that the line costs with commitments' fees spread over what they cover, before private discounts."""
        return self.terms.amortized_cost() if self.terms else self.unblended_cost

    @property
    def net_amortized_cost(self) -> float:
        """USD that the line costs after all discounts, with commitments' fees spread over what they cover."""
        return self.kept * self.amortized_cost

    @property
    def list_cost(self) -> float:
        """USD at the public On-Demand price; 0 where the bill knows none, as of Spot."""
        if self.spot or self.line_type not in _PRICE_LISTED:
            return 0.0
        return self.amount * (self.rate if self.list_rate is None else self.list_rate)

    def row(self) -> dict[str, object]:
        """Its columns; those that are not here are NULL."""
        own = self.terms.columns(self.kept) if self.terms else {}
        return self._identity() | _period(self.span) | self._line() | self._money() | self._product() | own

    def _identity(self) -> dict[str, object]:
        """The ID that AWS gives to the same charge in every hour."""
        what = (self.account.id, self.usage_type, self.operation, self.resource_id or "", self.line_type)
        return {"identity_line_item_id": _digest("/".join((*what, self.zone or "")))}

    def _line(self) -> dict[str, object]:
        factor = self.normalization_factor
        return {
            "bill_bill_type": "Refund" if self.line_type == "Refund" else "Anniversary",
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
            "line_item_usage_type": self.usage_type,
            "resource_tags": sorted(self.tags.items()),
            "cost_category": [],
        }

    def _money(self) -> dict[str, object]:
        """Spot has no list price and no term in the bill; nor have tax, fees, credits and refunds."""
        term = None if self.spot else _PRICE_LISTED.get(self.line_type)
        blended = 1 if self.spot else _BLENDED.get(self.product.code, 1)
        list_rate = self.rate if self.list_rate is None else self.list_rate
        discount = (self.kept - 1) * self.unblended_cost
        return {
            "discount": [("edp_discount", discount)] if discount else [],
            "discount_bundled_discount": 0.0,
            "discount_total_discount": discount,
            "line_item_blended_cost": self.unblended_cost * blended,
            "line_item_blended_rate": None if self.spot else f"{self.rate * blended:.10f}",
            "line_item_net_unblended_cost": self.kept * self.unblended_cost,
            "line_item_net_unblended_rate": None if self.spot else f"{self.rate * self.kept:.10f}",
            "line_item_unblended_cost": self.unblended_cost,
            "line_item_unblended_rate": None if self.spot else f"{self.rate:.10f}",
            "pricing_currency": "USD" if term else None,
            "pricing_public_on_demand_cost": self.list_cost,
            "pricing_public_on_demand_rate": f"{list_rate:.10f}" if term else None,
            "pricing_rate_code": f"{self.sku}.{_ON_DEMAND_RATE}" if term == "OnDemand" else None,
            "pricing_term": term,
            "pricing_unit": self.unit if term else None,
        }

    def _product(self) -> dict[str, object]:
        """Spot lines say nothing of their product but its name and Region."""
        of = self.product
        named = {"product_name": of.name, "region": REGION}
        if self.spot:
            return {"product": sorted(named.items()), "product_region_code": REGION, "product_sku": self.sku}
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
            "product_sku": self.sku,
            "product_usagetype": self.usage_type,
        }


def _digest(what: str) -> str:
    return base64.b32encode(hashlib.sha256(what.encode()).digest()).decode().rstrip("=").lower()


def _period(span: Span) -> dict[str, object]:
    """When a charge was made, and in which bill; an open month has no invoice yet."""
    return {
        "bill_billing_entity": "AWS",
        "bill_billing_period_end_date": _naive(MONTH.end),
        "bill_billing_period_start_date": _naive(MONTH.start),
        "bill_invoice_id": "",
        "bill_invoicing_entity": "Amazon Web Services, Inc.",
        "bill_payer_account_id": PAYER.id,
        "bill_payer_account_name": PAYER.name,
        "identity_time_interval": f"{rfc3339(span.start)}/{rfc3339(span.end)}",
        "line_item_usage_end_date": _naive(span.end),
        "line_item_usage_start_date": _naive(span.start),
    }


def _naive(instant: datetime) -> datetime:
    """*instant* as Parquet has it: UTC, without saying so."""
    return instant.replace(tzinfo=None)
