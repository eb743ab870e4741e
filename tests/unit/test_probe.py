from collections.abc import Callable

import pytest

from pipeline.errors import AccessDeniedError, ChargebackError, ConfigurationError, ContractError, UnavailableError
from pipeline.probe import Finding, NotRunError, Once, Probe, Said, Verdict, by_kind, failed


def raising(error: Exception) -> Callable[[], Said]:
    def ask() -> Said:
        raise error

    return ask


def probed(ask: Callable[[], Said], *needs: Once[object]) -> Finding:
    return Probe("lake", ask, lambda error: f"after {type(error).__name__}", needs).run()


def test_what_is_well_has_no_fix() -> None:
    assert probed(lambda: Said("all there")) == Finding("lake", Verdict.OK, "all there")


def test_what_should_be_put_right_is_a_warning_and_fails_nothing() -> None:
    found = probed(lambda: Said("coarse", "make it fine"))
    assert (found.verdict, found.fix, found.error) == (Verdict.WARNING, "make it fine", None)


def test_what_has_to_be_put_right_fails_as_its_kind() -> None:
    found = probed(lambda: Said("gone", "make it", ConfigurationError))
    assert (found.verdict, found.found) == (Verdict.FAILED, "gone")
    assert isinstance(found.error, ConfigurationError)
    assert str(found.error) == "lake: gone"


def test_an_error_is_what_was_found_and_its_fix_is_the_probes() -> None:
    error = AccessDeniedError("Listing failed.")
    assert probed(raising(error)) == Finding(
        "lake", Verdict.FAILED, "Listing failed.", "after AccessDeniedError", error
    )


def test_what_cannot_be_run_says_why() -> None:
    assert probed(raising(NotRunError("no bill"))) == Finding("lake", Verdict.NOT_RUN, "no bill")


def test_a_defect_of_ours_is_not_hidden_among_the_findings() -> None:
    with pytest.raises(ZeroDivisionError):
        probed(raising(ZeroDivisionError()))


class Counted:
    """A question that fails, and counts how often it is asked."""

    def __init__(self, error: ChargebackError) -> None:
        self.error = error
        self.asked = 0

    def __call__(self) -> object:
        self.asked += 1
        raise self.error


def test_a_question_that_failed_is_not_asked_again_and_those_that_need_it_are_not_run() -> None:
    question = Counted(UnavailableError("no answer"))
    answer = Once(question, "Kubecost does not answer")
    for _ in range(2):
        with pytest.raises(UnavailableError, match="no answer"):
            answer()
    with pytest.raises(NotRunError, match="Kubecost does not answer"):
        _ = answer.needed
    assert probed(lambda: Said("fine"), answer) == Finding("lake", Verdict.NOT_RUN, "Kubecost does not answer")
    assert question.asked == 1


def test_only_errors_that_stop_others_stop_them() -> None:
    out_of_reach = Once(Counted(UnavailableError("no answer")), "there are no credentials", stopping=AccessDeniedError)
    denied = Once(Counted(AccessDeniedError("no")), "there are no credentials", stopping=AccessDeniedError)
    assert probed(lambda: Said("fine"), out_of_reach).verdict is Verdict.OK
    assert probed(lambda: Said("fine"), denied).verdict is Verdict.NOT_RUN


def test_an_answer_is_asked_for_once() -> None:
    answers = iter(["first", "second"])
    once = Once(lambda: next(answers), "nothing")
    assert [once(), once(), once.needed] == ["first"] * 3


def test_a_fix_is_that_of_the_first_kind_that_the_error_is_of() -> None:
    fix = by_kind({AccessDeniedError: "allow", ChargebackError: "look"}, otherwise="wait")
    assert fix(AccessDeniedError()) == "allow"
    assert fix(ContractError()) == "look"
    assert by_kind({AccessDeniedError: "allow"}, otherwise="wait")(ContractError()) == "wait"


def test_the_gravest_of_the_failed_probes_is_the_error_of_all() -> None:
    errors: list[ChargebackError] = [ContractError("65"), ConfigurationError("78"), AccessDeniedError("77")]
    findings = [probed(raising(error)) for error in errors]
    assert failed([*findings, probed(lambda: Said("coarse", "make it fine"))]) is errors[1]


def test_warnings_and_what_is_not_run_fail_nothing() -> None:
    assert failed([probed(lambda: Said("coarse", "make it fine")), probed(raising(NotRunError("no bill")))]) is None
