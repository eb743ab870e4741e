from collections.abc import Iterator

import pytest

from pipeline import errors, kubecost
from pipeline.errors import ChargebackError

EXIT_CODES = {
    errors.UsageError: 2,
    errors.ContractError: 65,
    errors.CheckFailedError: 65,
    kubecost.NoDataError: 65,
    errors.UnavailableError: 69,
    errors.TemporaryError: 75,
    errors.AccessDeniedError: 77,
    errors.ConfigurationError: 78,
}


def kinds(of: type[ChargebackError] = ChargebackError) -> Iterator[type[ChargebackError]]:
    for kind in of.__subclasses__():
        yield kind
        yield from kinds(kind)


@pytest.mark.parametrize(("kind", "exit_code"), EXIT_CODES.items(), ids=lambda value: getattr(value, "__name__", None))
def test_every_error_has_the_exit_code_of_the_contract(kind: type[ChargebackError], exit_code: int) -> None:
    error = kind("what broke")
    assert error.exit_code == exit_code
    assert str(error) == "what broke"


def test_no_error_of_ours_ends_like_an_unexpected_one() -> None:
    found = {kind: kind.exit_code for kind in kinds()}
    assert found.keys() >= EXIT_CODES.keys()
    assert set(found.values()) == {2, 65, 69, 75, 77, 78}
    assert ChargebackError.exit_code == 1
