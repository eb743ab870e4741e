"""How the lake is probed: its bucket, what may be done there, and which hours it lacks."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline.errors import AccessDeniedError, ChargebackError, ConfigurationError, ContractError
from pipeline.identity import Caller
from pipeline.lake import Lake, bucket_region
from pipeline.models import Location
from pipeline.plan import Schedule, by_hour
from pipeline.probe import NotRunError, Once, Probe, Said, by_kind
from pipeline.status import Calendar, HourState, calendar
from pipeline.window import DAY, Window, hours, midnight

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class LakeProbes:
    """The probes of the lake at *location*, of which *lake* is one cluster's part, at the time *now*.

    *region* is the one that S3, Glue and Athena are asked in; *schedule* is what `collect` goes by, and *retention* how
    long it counts on hours to be kept.
    """

    s3: Callable[[], "S3Client"]
    lake: Callable[[], Lake]
    location: Location
    region: str | None
    schedule: Schedule
    retention: Callable[[], timedelta]
    now: datetime
    credentials: Once[Caller]

    def probes(self) -> Iterator[Probe]:
        """Each of them, in the order in which one needs the other."""
        needs = (self.credentials,)
        yield Probe(
            "lake: bucket", self._listed, self._fix("s3:ListBucket", f"arn:aws:s3:::{self.location.bucket}"), needs
        )
        yield Probe(
            "lake: Region", self._region, self._fix("s3:ListBucket", f"arn:aws:s3:::{self.location.bucket}"), needs
        )
        objects = f"arn:aws:s3:::{self.location.bucket}/{self.location.key('*')}"
        yield Probe("lake: objects", self._read, self._fix("s3:GetObject and s3:PutObject", objects), needs)
        yield Probe("lake: hours", self._hours, self._fix("s3:GetObject", objects), needs)

    @cached_property
    def _days(self) -> Once[tuple[date, ...]]:
        return Once(lambda: self.lake().days(), "the bucket cannot be listed")

    def _listed(self) -> Said:
        days = self._days()
        if not days:
            return Said(f"{self.location.uri()} may be listed; nothing is collected yet")
        return Said(f"{self.location.uri()}: {len(days)} days of this cluster, {days[0]} to {days[-1]}")

    def _region(self) -> Said:
        _ = self._days.needed
        found = bucket_region(self.s3(), self.location.bucket)
        if found is None:
            raise NotRunError("S3 does not say where the bucket is")
        if found == self.region:
            return Said(found)
        return Said(
            f"the bucket is in {found}, and everything else is asked in {self.region}",
            f"Set AWS_DEFAULT_REGION to {found} if Glue and Athena are there, too; else take one in {self.region}, "
            "or pay for every byte that crosses.",
        )

    def _read(self) -> Said:
        """A day that is not there yet reads as absent only to those who may list and read."""
        days = self._days.needed
        stored = self.lake().read([days[-1] if days else self.now.date()])
        if stored.unreadable:
            return Said(
                "; ".join(map(str, stored.unreadable.values())),
                "Move that object away; `collect` fetches its day again, as long as Kubecost has it.",
                ContractError,
            )
        return Said("may be read; whether they may be written is not tried, since that would write")

    def has(self, hour: Window) -> bool:
        """Whether *hour* was collected, as far as that can be told."""
        try:
            self.credentials.require()
            return hour in by_hour(self.lake().read([hour.usage_date]).records.values())
        except (ChargebackError, NotRunError):
            return False

    def _hours(self) -> Said:
        if not self._days.needed:
            raise NotRunError("nothing is collected yet")
        found = calendar(self.lake(), self.schedule, self.now, None, None)
        counts = sum((day.counts for day in found.days), Counter[HourState]())
        told = ", ".join(f"{counts[state]} {state.replace('_', ' ')}" for state in HourState if counts[state])
        if not counts[HourState.MISSING]:
            return Said(f"of two weeks: {told}")
        if expired := self._expired(found):
            return Said(
                f"of two weeks: {told}; {expired} of the missing ones are older than hours are kept",
                "See why the CronJob did not run (kubectl get jobs), and run `chargeback collect`: it takes their "
                "days' sets in their place, and what these lack is lost.",
            )
        return Said(
            f"of two weeks: {told}", "See that the CronJob runs (kubectl get jobs), or run `chargeback collect`."
        )

    def _expired(self, found: Calendar) -> int:
        """How many missing hours are out of upstream's hourly retention."""
        oldest = self.now - self.retention()
        return sum(
            state is HourState.MISSING and hour.start < oldest
            for day in found.days
            for hour, state in zip(
                hours(midnight(day.usage_date), midnight(day.usage_date) + DAY), day.hours, strict=True
            )
        )

    def _fix(self, action: str, resource: str) -> Callable[[ChargebackError], str]:
        return by_kind(
            {
                AccessDeniedError: f"Allow the role {action} on {resource}, look at the bucket's policy, and with a "
                "key of your own allow kms:Decrypt and kms:GenerateDataKey on it.",
                ConfigurationError: "Create the bucket, or correct CHARGEBACK_LAKE; `infra/` has a template.",
            },
            otherwise=f"See that the pod may reach s3.{self.region}.amazonaws.com on port 443.",
        )
