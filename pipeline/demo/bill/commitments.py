"""What the organisation has committed to, a Savings Plan and a reservation, and what its lines say of it."""

from dataclasses import dataclass

from pipeline.demo.bill.lines import ANALYTICS, PAYER
from pipeline.demo.estate.identifiers import uuid
from pipeline.demo.estate.prices import RESERVED_M6I_XLARGE_HOUR


@dataclass(frozen=True)
class SavingsPlan:
    """A Compute Savings Plan without upfront payment: *commitment* is USD per hour."""

    arn: str
    commitment: float
    start_time: str
    end_time: str

    def columns(self) -> dict[str, object]:
        """What every line that the plan touches says of it."""
        return {
            "savings_plan_end_time": self.end_time,
            "savings_plan_offering_type": "ComputeSavingsPlans",
            "savings_plan_payment_option": "No Upfront",
            "savings_plan_purchase_term": "1yr",
            "savings_plan_region": "Any",
            "savings_plan_savings_plan_a_r_n": self.arn,
            "savings_plan_start_time": self.start_time,
        }


@dataclass(frozen=True)
class Reservation:
    """One regional Reserved Instance without upfront payment: *rate* is USD per hour, used or not."""

    arn: str
    subscription_id: str
    instance_type: str
    rate: float
    start_time: str
    end_time: str

    def columns(self) -> dict[str, object]:
        """What every line that the reservation touches says of it."""
        return {
            "reservation_reservation_a_r_n": self.arn,
            "reservation_subscription_id": self.subscription_id,
        }


PLAN = SavingsPlan(
    arn=f"arn:aws:savingsplans::{PAYER.id}:savingsplan/{uuid('savings plan')}",
    commitment=1.05,
    start_time="2026-03-02T09:17:23.000Z",
    end_time="2027-03-02T09:17:22.000Z",
)
RESERVATION = Reservation(
    arn=f"arn:aws:ec2:us-east-1:{ANALYTICS.id}:reserved-instances/{uuid('reservation')}",
    subscription_id="18042630571",
    instance_type="m6i.xlarge",
    rate=RESERVED_M6I_XLARGE_HOUR,
    start_time="2026-10-13T04:00:00.000Z",
    end_time="2027-10-13T03:59:59.000Z",
)


@dataclass(frozen=True)
class PlanCover:
    """The terms of usage that a Savings Plan pays for, at *rate* per unit; *effective_cost* is USD."""

    plan: SavingsPlan
    rate: float
    effective_cost: float

    def amortized_cost(self) -> float:
        """What the usage takes of the plan's fee."""
        return self.effective_cost

    def columns(self, kept: float) -> dict[str, object]:
        """The effective cost, before and after private discounts."""
        return self.plan.columns() | {
            "savings_plan_net_savings_plan_effective_cost": kept * self.effective_cost,
            "savings_plan_savings_plan_effective_cost": self.effective_cost,
            "savings_plan_savings_plan_rate": self.rate,
        }


@dataclass(frozen=True)
class PlanNegation:
    """The terms of the line that takes back what covered usage would have cost On Demand."""

    plan: SavingsPlan

    def amortized_cost(self) -> float:
        """Nothing: covered usage has its effective cost already."""
        return 0

    def columns(self, kept: float) -> dict[str, object]:  # noqa: ARG002  it has no cost of its own to discount
        """The plan alone."""
        return self.plan.columns()


@dataclass(frozen=True)
class PlanFee:
    """The terms of one hour's fee of a Savings Plan, of which covered usage took *used* USD."""

    plan: SavingsPlan
    used: float

    def amortized_cost(self) -> float:
        """The part of the commitment that nothing used."""
        return self.plan.commitment - self.used

    def columns(self, kept: float) -> dict[str, object]:
        """The hour's commitment, and how much of it was used."""
        return self.plan.columns() | {
            "savings_plan_amortized_upfront_commitment_for_billing_period": 0.0,
            "savings_plan_net_amortized_upfront_commitment_for_billing_period": 0.0,
            "savings_plan_net_recurring_commitment_for_billing_period": kept * self.plan.commitment,
            "savings_plan_recurring_commitment_for_billing_period": self.plan.commitment,
            "savings_plan_total_commitment_to_date": self.plan.commitment,
            "savings_plan_used_commitment": self.used,
        }


@dataclass(frozen=True)
class ReservedUse:
    """The terms of usage that a reservation pays for: *hours* of the reserved instance type."""

    reservation: Reservation
    hours: float

    def amortized_cost(self) -> float:
        """What the usage takes of the reservation's fee."""
        return self.hours * self.reservation.rate

    def columns(self, kept: float) -> dict[str, object]:
        """The effective cost, before and after private discounts; all of it is recurring."""
        cost = self.amortized_cost()
        return self.reservation.columns() | {
            "pricing_lease_contract_length": "1yr",
            "pricing_offering_class": "standard",
            "pricing_purchase_option": "No Upfront",
            "reservation_amortized_upfront_cost_for_usage": 0.0,
            "reservation_effective_cost": cost,
            "reservation_net_amortized_upfront_cost_for_usage": 0.0,
            "reservation_net_effective_cost": kept * cost,
            "reservation_net_recurring_fee_for_usage": kept * cost,
            "reservation_recurring_fee_for_usage": cost,
        }


@dataclass(frozen=True)
class ReservationFee:
    """The terms of a reservation's fee for *hours*, of which instances used *used*."""

    reservation: Reservation
    hours: float
    used: float
    normalization_factor: float

    def amortized_cost(self) -> float:
        """The part of the fee that nothing used."""
        return (self.hours - self.used) * self.reservation.rate

    def columns(self, kept: float) -> dict[str, object]:
        """The reserved hours, and how many of them were used."""
        unused, units = self.hours - self.used, f"{self.hours * self.normalization_factor:.10f}"
        return self.reservation.columns() | {
            "reservation_amortized_upfront_fee_for_billing_period": 0.0,
            "reservation_end_time": self.reservation.end_time,
            "reservation_modification_status": "Original",
            "reservation_net_amortized_upfront_fee_for_billing_period": 0.0,
            "reservation_net_unused_amortized_upfront_fee_for_billing_period": 0.0,
            "reservation_net_unused_recurring_fee": kept * self.amortized_cost(),
            "reservation_net_upfront_value": 0.0,
            "reservation_normalized_units_per_reservation": units,
            "reservation_number_of_reservations": "1",
            "reservation_start_time": self.reservation.start_time,
            "reservation_total_reserved_normalized_units": units,
            "reservation_total_reserved_units": f"{self.hours:.10f}",
            "reservation_units_per_reservation": f"{self.hours:.10f}",
            "reservation_unused_amortized_upfront_fee_for_billing_period": 0.0,
            "reservation_unused_normalized_unit_quantity": unused * self.normalization_factor,
            "reservation_unused_quantity": unused,
            "reservation_unused_recurring_fee": self.amortized_cost(),
            "reservation_upfront_value": 0.0,
        }
