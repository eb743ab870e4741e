import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigurationError
from pipeline.policy import Distribution, Invoice, Markup, Policy, PolicySettings, Rule, bill_tag_key, policy_tables
from pipeline.policy_csv import FILES, read_policy
from pipeline.policy_files import examples
from pipeline.tables import POLICY_COST_CENTERS, POLICY_DISTRIBUTION, POLICY_SETTINGS, POLICY_TABLES

RULES = "priority,cost_center,cluster,virtual_cluster,namespace,workload_name,label_key,label_value,tag_key,tag_value"
TENANTS = "priority,cost_center,cluster,node_pool,label_key,label_value,tag_key,tag_value"

FACTORS = "write a number such as 1.05 for 5 percent more, or 0.9 for 10 percent less."
RIVALS = "and one cost can fit both, for z and for y; give one of them another priority."


def read(**texts: str) -> Policy:
    return read_policy({f"{name}.csv": text.encode() for name, text in texts.items()}, "a directory")


def mistakes(**texts: str) -> list[str]:
    """What is said to be wrong, without the first line and the marks of a list."""
    with pytest.raises(ConfigurationError) as raised:
        read(**texts)
    head, *sentences = str(raised.value).split("\n  - ")
    assert head == "The policy in a directory is not right:"
    return sentences


def rules(*lines: str) -> str:
    return "\n".join((RULES, *lines))


def test_a_policy_is_read_line_by_line_whatever_the_spreadsheet_adds() -> None:
    policy = read(
        cost_centers="\ufeff# made by hand\r\n"
        "cost_center, priority ,namespace,workload_name,label_key,label_value,tag_key,tag_value\r\n"
        '"Risk, EMEA", 10 , risk,nightly*,,,,\r\n'
        ",,,,,,,\r\n"
        "\r\n"
        "Ops,20,,,app.kubernetes.io/name,ops,CostCenter,4711\r\n"
        "Ops,30,short-line\r\n",
        sole_tenancy=f"{TENANTS}\n10,Risk,prod,risk-nodes,,,,",
        other_services="priority,cost_center,tag_key,tag_value\n10,Ops,aws:eks:cluster-name,prod",
        distribution="pool,method,owner\nidle,owner,Ops\nshared,even,",
        markups="cost_center,factor\nOps,1.05\nRisk,0",
        invoices="invoice_id,billing_period,total\n0042,2026-10,-1234.5",
        settings="correct_hours\nOn\n",
    )
    assert policy == Policy(
        cost_centers=(
            Rule(line=3, priority=10, cost_center="Risk, EMEA", namespace="risk", workload_name="nightly*"),
            Rule(
                line=6,
                priority=20,
                cost_center="Ops",
                label_key="app_kubernetes_io_name",
                label_value="ops",
                tag_key="user_cost_center",
                tag_value="4711",
            ),
            Rule(line=7, priority=30, cost_center="Ops", namespace="short-line"),
        ),
        sole_tenancy=(Rule(line=2, priority=10, cost_center="Risk", cluster="prod", node_pool="risk-nodes"),),
        other_services=(
            Rule(line=2, priority=10, cost_center="Ops", tag_key="aws_eks_cluster_name", tag_value="prod"),
        ),
        distribution=(
            Distribution(line=2, pool="idle", method="owner", owner="Ops"),
            Distribution(line=3, pool="shared", method="even"),
        ),
        markups=(Markup(line=2, cost_center="Ops", factor=1.05), Markup(line=3, cost_center="Risk", factor=0.0)),
        invoices=(Invoice(line=2, billing_period="2026-10", invoice_id="0042", total=-1234.5),),
        settings=PolicySettings(correct_hours=True),
    )


def test_a_file_that_is_absent_says_nothing() -> None:
    assert read() == Policy()
    assert read(markups="cost_center,factor") == Policy()


def test_the_examples_have_every_file_and_change_no_cost() -> None:
    shipped = examples()
    assert shipped.keys() == FILES.keys()
    policy = read_policy(shipped, "the package")
    assert {row.method for row in policy.distribution} == {"none"}
    assert policy == Policy(distribution=policy.distribution)


def test_the_examples_in_their_comments_are_right() -> None:
    comment = re.compile(r"^# ([^ \n]*,[^ \n]*)$", re.MULTILINE)
    lines = {name: comment.findall(content.decode()) for name, content in examples().items()}
    assert {name for name, found in lines.items() if found} == FILES.keys() - {"settings.csv"}
    uncommented = {
        name: content + "\n".join(lines[name]).encode()
        for name, content in examples().items()
        if name != "distribution.csv"
    }
    uncommented["distribution.csv"] = "\n".join(("pool,method,owner", *lines["distribution.csv"])).encode()
    assert len(read_policy(uncommented, "the package").cost_centers) == 3


def test_every_mistake_is_named_at_once_with_its_file_and_line() -> None:
    assert mistakes(
        cost_centers=rules("ten,risk,,,a", "10,,,,a", "10,unassigned,,,a", "1,x,,,,*-a", "1,y,,,,,team", "1,z,,,,,,b"),
        sole_tenancy=f"{TENANTS}\n-1,risk,,nodes\n5,risk\n5,risk,,a,b,c,d,e,f",
        other_services="priority,cost_center,tag_key,tag_value\n1,risk,,risk\n1,risk,--,risk",
        distribution="pool,method,owner\nidel,even,\nidle,fair,\nshared,owner,\nplatform,even,ops\nplatform,none,",
        markups="cost_center,factor\nrisk,1;05\nrisk,-0.1\nrisk,nan\nrisk,2\nrisk,3",
        invoices="invoice_id,billing_period,total\n"
        "7,October,1\n7,2026-10,1.234,5\n7,2026-10,USD 7\n7,2026-10,7\n7,2026-10,8",
        settings="correct_hours\nperhaps\noff",
        cost_centres="",
    ) == [
        "cost_centres.csv is no file of a policy; did you mean cost_centers.csv?.",
        "cost_centers.csv line 2: priority is 'ten'; write a whole number, 0 or more.",
        "cost_centers.csv line 3: cost_center is empty; fill it.",
        "cost_centers.csv line 4: cost_center is 'unassigned'; that is what has no cost center; choose another name.",
        "cost_centers.csv line 5: workload_name is '*-a'; a * can only stand at the end, after how the name begins.",
        "sole_tenancy.csv line 2: priority is '-1'; write a whole number, 0 or more.",
        "sole_tenancy.csv line 4: 9 cells for 8 columns; quote what has a comma.",
        "other_services.csv line 3: tag_key is '--'; write the key as Kubernetes or AWS has it.",
        "distribution.csv line 2: pool is 'idel'; write idle, platform, control_plane, shared.",
        "distribution.csv line 3: method is 'fair'; write none, proportional, even, owner.",
        f"markups.csv line 2: factor is '1;05'; {FACTORS}",
        f"markups.csv line 3: factor is '-0.1'; {FACTORS}",
        f"markups.csv line 4: factor is 'nan'; {FACTORS}",
        "invoices.csv line 2: billing_period is 'October'; write a month such as 2026-10.",
        "invoices.csv line 3: 4 cells for 3 columns; quote what has a comma.",
        "invoices.csv line 4: total is 'USD 7'; write an amount such as 1234.56, without a currency.",
        "settings.csv line 2: correct_hours is 'perhaps'; write on, off.",
        "settings.csv line 3: a second line of settings; leave one.",
        "cost_centers.csv line 6: label_key is filled and label_value is not; fill both or neither.",
        "cost_centers.csv line 7: label_value is filled and label_key is not; fill both or neither.",
        f"cost_centers.csv line 7: like line 6 it has priority 1, {RIVALS}",
        "sole_tenancy.csv line 3: it says not what it matches; fill a column besides priority and cost_center.",
        "other_services.csv line 2: tag_value is filled and tag_key is not; fill both or neither.",
        "distribution.csv line 4: the method owner needs an owner; name the cost center that bears the pool.",
        "distribution.csv line 5: ops stands as owner of the method even; write owner, or empty the cell.",
        "distribution.csv line 6: line 5 has the pool platform already; leave one.",
        "markups.csv line 6: line 5 has the cost center risk already; leave one.",
        "invoices.csv line 6: line 5 has the invoice 7 of 2026-10 already; leave one.",
    ]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("priority,cost_center,namspace", "'namspace' is no column of this file; did you mean namespace?"),
        ("priority;cost_center;namespace", "'priority;cost_center;namespace' is no column of this file"),
        ("priority,cost_center,moon", f"'moon' is no column of this file; write {RULES}"),
        ("priority,cost_center,namespace,namespace", "the column namespace stands there twice; leave one"),
        ("priority,namespace", "the column cost_center is missing; add it"),
    ],
)
def test_columns_that_are_not_those_of_the_file_are_named(header: str, said: str) -> None:
    found = mistakes(cost_centers=f"# a comment\n{header}\n10,risk,a")
    assert any(sentence.startswith(f"cost_centers.csv line 2: {said}") for sentence in found)


def test_no_file_says_what_a_closed_month_keeps() -> None:
    [mistake] = mistakes(markups="cost_center,factor,closed_month\nrisk,1,2026-10\n")
    assert "closed_month" in mistake


def test_a_file_without_column_names_is_told_which_there_are() -> None:
    assert mistakes(markups="# nothing yet\n") == ["markups.csv has no line of column names; write cost_center,factor."]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "cost_center,factor\nK\u00f6ln,1".encode("latin-1"),
            "markups.csv is not UTF-8 text; save it as CSV in UTF-8.",
        ),
        (b'cost_center,factor\n"risk,1', "markups.csv is not CSV (unexpected end of data); save it as CSV in UTF-8."),
    ],
)
def test_a_file_that_is_no_csv_is_one_sentence(content: bytes, said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        read_policy({"markups.csv": content}, "a directory")


def test_a_markup_of_a_cost_center_that_nothing_goes_to_is_a_mistake() -> None:
    texts = {"cost_centers": rules("10,risk,,,a"), "distribution": "pool,method,owner\nidle,owner,ops"}
    assert mistakes(**texts, markups="cost_center,factor\nrisk,2\nops,2\nriks,2") == [
        "markups.csv line 4: no rule gives anything to the cost center riks; write it as the rules do."
    ]


ARN = "arn:aws:eks:us-east-1:111122223333:cluster/prod"
MEETING = [
    ("10,a,,,n,,,,,", "10,b,,,,,team,x,,"),
    ("10,a,prod,,,,,,,", "10,b,,v,,,,,,"),
    (f"10,a,{ARN},,,,,,,", "10,b,prod,,,,,,,"),
    ("10,a,,,,etl*,,,,", "10,b,,,,etl-nightly,,,,"),
    ("10,a,,,,etl*,,,,", "10,b,,,,etl-night*,,,,"),
    ("10,a,,,,etl*,,,,", "10,b,,,,etl*,,,,"),
    ("10,a,,,,etl*,,,,", "10,b,,,,etl,,,,"),
    ("10,a,,,,,team,x,,", "10,b,,,,,app,x,,"),
    ("10,a,,,,,,,team,x", "10,b,,,,,,,team,x"),
]
APART = [
    ("10,a,,,n,,,,,", "20,b,,,,,team,x,,"),
    ("10,a,,,n,,,,,", "10,a,,,,,team,x,,"),
    ("10,a,,,n,,,,,", "10,b,,,m,,team,x,,"),
    ("10,a,,v,,,,,,", "10,b,,w,,,,,,"),
    (f"10,a,{ARN},,,,,,,", "10,b,test,,,,,,,"),
    (f"10,a,{ARN},,,,,,,", f"10,b,{ARN}2,,,,,,,"),
    ("10,a,,,,etl,,,,", "10,b,,,,etl-nightly,,,,"),
    ("10,a,,,,etl-*,,,,", "10,b,,,,etl,,,,"),
    ("10,a,,,,etl-a*,,,,", "10,b,,,,etl-b*,,,,"),
    ("10,a,,,,,team,x,,", "10,b,,,,,team,y,,"),
    ("10,a,,,,,,,team,x", "10,b,,,,,,,team,y"),
]


@pytest.mark.parametrize(("one", "other"), [*MEETING, *(pair[::-1] for pair in MEETING)])
def test_two_rules_of_one_priority_that_one_cost_can_fit_are_a_mistake(one: str, other: str) -> None:
    [sentence] = mistakes(cost_centers=rules(one, other))
    assert sentence.startswith("cost_centers.csv line 3: like line 2 it has priority 10, and one cost can fit both")


@pytest.mark.parametrize(("one", "other"), [*APART, *(pair[::-1] for pair in APART)])
def test_rules_that_no_cost_can_fit_both_or_that_do_not_contend_are_right(one: str, other: str) -> None:
    assert len(read(cost_centers=rules(one, other)).cost_centers) == 2


@pytest.mark.parametrize(
    ("key", "spelt"),
    [
        ("team", "user_team"),
        ("CostCenter", "user_cost_center"),
        ("cost-center/id", "user_cost_center_id"),
        ("user:Team", "user_team"),
        ("user_team", "user_team"),
        ("UserTeam", "user_user_team"),
        ("user", "user_user"),
        ("aws:createdBy", "aws_created_by"),
        ("aws_eks_cluster_name", "aws_eks_cluster_name"),
    ],
)
def test_a_tags_key_is_spelt_as_the_bill_spells_it(key: str, spelt: str) -> None:
    assert bill_tag_key(key) == spelt
    assert bill_tag_key(spelt) == spelt


def test_a_policy_makes_every_table_with_the_columns_of_its_file() -> None:
    assert tuple(policy_tables(Policy())) == POLICY_TABLES
    for table, rows in policy_tables(Policy()).items():
        assert rows.schema == table.schema
        assert rows.num_rows == (1 if table is POLICY_SETTINGS else 0)
    made = policy_tables(
        read(cost_centers=rules("10,risk,prod,v,n,w*,team,x,tag,y"), distribution="pool,method\nidle,even")
    )
    assert made[POLICY_COST_CENTERS].to_pylist() == [
        dict(
            zip(
                ("line", *RULES.split(","), "closed_month"),
                (2, 10, "risk", "prod", "v", "n", "w*", "team", "x", "user_tag", "y", None),
                strict=True,
            )
        )
    ]
    assert made[POLICY_DISTRIBUTION].to_pylist() == [
        {"line": 2, "pool": "idle", "method": "even", "owner": None, "closed_month": None}
    ]


@given(st.dictionaries(st.sampled_from(sorted(FILES)), st.binary(max_size=200) | st.text(max_size=200).map(str.encode)))
@settings(suppress_health_check=[HealthCheck.too_slow])  # to draw any text loads Unicode's tables
def test_whatever_the_files_hold_they_are_a_policy_or_one_error(contents: dict[str, bytes]) -> None:
    try:
        policy = read_policy(contents, "a directory")
    except ConfigurationError:
        return
    assert policy_tables(policy).keys() == set(POLICY_TABLES)
