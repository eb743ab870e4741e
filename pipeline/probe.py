"""What a probe is, and what it finds: a verdict, the facts, and what to do about them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from pipeline.errors import ChargebackError, gravest

_Answer_co = TypeVar("_Answer_co", covariant=True)


class Verdict(StrEnum):
    """How what was probed stands."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_RUN = "not run"


class NotRunError(Exception):
    """A probe that cannot be run, or need not be; its text is the reason."""


@dataclass(frozen=True)
class Said:
    """What a probe that got its answers found.

    With a *fix* something should be put right; with *kind*, the error that it will end in, it has to be.
    """

    found: str
    fix: str | None = None
    kind: type[ChargebackError] | None = None


@dataclass(frozen=True)
class Finding:
    """What the probe of that name came to; *fix* is a sentence, *error* what makes the run fail."""

    probe: str
    verdict: Verdict
    found: str
    fix: str | None = None
    error: ChargebackError | None = None


class Once(Generic[_Answer_co]):
    """A question that several probes depend on, asked once.

    Who calls it gets the answer or the error. Who needs the answer is not run without it, because it is *lacking*;
    only errors of the kind *stopping* stop them.
    """

    def __init__(
        self,
        ask: Callable[[], _Answer_co],
        lacking: str,
        stopping: type[ChargebackError] = ChargebackError,
    ) -> None:
        self._ask = ask
        self._lacking = lacking
        self._stopping = stopping
        self._answers: list[_Answer_co] = []
        self._error: ChargebackError | None = None

    def __call__(self) -> _Answer_co:
        """The answer.

        Raises:
            ChargebackError: why there is none.
        """
        if self._error is not None:
            raise self._error
        if not self._answers:
            try:
                self._answers.append(self._ask())
            except ChargebackError as error:
                self._error = error
                raise
        return self._answers[0]

    @property
    def needed(self) -> _Answer_co:
        """The answer, for those that are about something else.

        Raises:
            NotRunError: there is none.
        """
        try:
            return self()
        except ChargebackError as error:
            raise NotRunError(self._lacking) from error

    def require(self) -> None:
        """Raise NotRunError if what went wrong stops those that need the answer."""
        try:
            self()
        except ChargebackError as error:
            if isinstance(error, self._stopping):
                raise NotRunError(self._lacking) from error


@dataclass(frozen=True)
class Probe:
    """One thing to look at: how it is asked, and what to do about an error, which *fix* gives as a sentence.

    It is not run if something that it *needs* is lacking.
    """

    name: str
    ask: Callable[[], Said]
    fix: Callable[[ChargebackError], str]
    needs: tuple[Once[object], ...] = ()

    def run(self) -> Finding:
        """Ask, and never fail: whatever goes wrong is what was found."""
        try:
            for needed in self.needs:
                needed.require()
            said = self.ask()
        except NotRunError as reason:
            return Finding(self.name, Verdict.NOT_RUN, str(reason))
        except ChargebackError as error:
            return Finding(self.name, Verdict.FAILED, str(error), self.fix(error), error)
        if said.kind is not None:
            return Finding(self.name, Verdict.FAILED, said.found, said.fix, said.kind(f"{self.name}: {said.found}"))
        return Finding(self.name, Verdict.WARNING if said.fix else Verdict.OK, said.found, said.fix)


def by_kind(fixes: Mapping[type[ChargebackError], str], otherwise: str) -> Callable[[ChargebackError], str]:
    """What to do about an error of each kind, the first that it is of, and *otherwise*."""
    return lambda error: next((fix for kind, fix in fixes.items() if isinstance(error, kind)), otherwise)


def failed(findings: Iterable[Finding]) -> ChargebackError | None:
    """The gravest error of the probes that failed; None if none did."""
    errors = [finding.error for finding in findings if finding.error is not None]
    return gravest(errors) if errors else None
