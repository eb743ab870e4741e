import pytest

from tests.infra.policies import Call, Statement, is_allowed, statements

LAKE = "arn:aws:s3:::lake"


def granted(**parts: object) -> tuple[Statement, ...]:
    plain = {"Sid": "One", "Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{LAKE}/*"}
    return statements({"Statement": [plain | parts]})


def test_a_call_needs_a_statement_with_its_action_and_its_resource() -> None:
    assert is_allowed(Call("s3:GetObject", f"{LAKE}/a/b.parquet"), granted())
    assert not is_allowed(Call("s3:PutObject", f"{LAKE}/a/b.parquet"), granted())
    assert not is_allowed(Call("s3:GetObject", f"{LAKE}2/a"), granted())
    assert not is_allowed(Call("s3:GetObject", LAKE), granted())


def test_a_pattern_matches_the_whole_and_nothing_in_it_is_an_expression() -> None:
    assert is_allowed(Call("s3:GetObject", "arn:x/a1"), granted(Resource="arn:x/a?"))
    assert not is_allowed(Call("s3:GetObject", "arn:x/a12"), granted(Resource="arn:x/a?"))
    assert not is_allowed(Call("s3:GetObject", "arn:x/abc"), granted(Resource="arn:x/a.c"))


def test_actions_are_compared_without_regard_to_case_and_resources_with() -> None:
    assert is_allowed(Call("S3:getobject", f"{LAKE}/a"), granted())
    assert not is_allowed(Call("s3:GetObject", "arn:aws:s3:::LAKE/a"), granted())


@pytest.mark.parametrize(
    ("operator", "prefix", "holds"),
    [
        ("StringLike", "chargeback/a", True),
        ("StringLike", "other/", False),
        ("StringLike", None, False),
        ("StringLikeIfExists", "chargeback/a", True),
        ("StringLikeIfExists", "other/", False),
        ("StringLikeIfExists", None, True),
        ("StringEquals", "chargeback/a", False),
    ],
)
def test_a_condition_holds_for_what_the_request_says(operator: str, prefix: str | None, holds: bool) -> None:
    context = () if prefix is None else (("s3:prefix", prefix),)
    listing = granted(Action="s3:ListBucket", Resource=LAKE, Condition={operator: {"s3:prefix": "chargeback/*"}})
    assert is_allowed(Call("s3:ListBucket", LAKE, context), listing) is holds


def test_all_conditions_must_hold_and_one_value_of_each_is_enough() -> None:
    both = granted(Condition={"StringEquals": {"a": ["1", "2"], "b": "3"}})
    assert is_allowed(Call("s3:GetObject", f"{LAKE}/x", (("a", "2"), ("b", "3"))), both)
    assert not is_allowed(Call("s3:GetObject", f"{LAKE}/x", (("a", "2"),)), both)


def test_a_refusal_beats_whatever_allows() -> None:
    assert not is_allowed(Call("s3:GetObject", f"{LAKE}/x"), [*granted(), *granted(Effect="Deny")])


def test_a_condition_that_is_not_understood_is_an_error() -> None:
    with pytest.raises(KeyError, match="NumericEquals"):
        is_allowed(Call("s3:GetObject", f"{LAKE}/x"), granted(Condition={"NumericEquals": {"s3:max-keys": "1"}}))


def test_a_statement_that_is_not_understood_is_an_error() -> None:
    with pytest.raises(ValueError, match="NotAction"):
        granted(NotAction="s3:*")
