from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.errors import ConfigurationError
from pipeline.kubecost import KUBECOST, OPENCOST
from pipeline.models import Cluster, Location
from pipeline.settings import PREFIX, CollectSettings, LakeSettings, Settings, page, read_settings
from tests.conftest import CLUSTER_ARN

DEFAULTS = {
    "CHARGEBACK_CLUSTER_ARN": None,
    "CHARGEBACK_LAKE": None,
    "CHARGEBACK_KUBECOST_URL": None,
    "CHARGEBACK_KUBECOST_API_KEY": None,
    "CHARGEBACK_KUBECOST_CA_BUNDLE": None,
    "CHARGEBACK_KUBECOST_CLUSTER_ID": None,
    "CHARGEBACK_GLUE_DATABASE": "chargeback",
    "CHARGEBACK_ATHENA_WORKGROUP": "chargeback",
    "CHARGEBACK_CUR_TABLE": None,
    "CHARGEBACK_COLLECT_AFTER": timedelta(hours=2),
    "CHARGEBACK_SETTLE_AFTER": timedelta(hours=24),
    "CHARGEBACK_LOOKBACK": timedelta(days=7),
    "CHARGEBACK_HOURLY_RETENTION": None,
    "CHARGEBACK_LABELS": (
        "queue",
        "yunikorn_apache_org_queue",
        "volcano_sh_queue_name",
        "kueue_x_k8s_io_queue_name",
        "team",
        "app_kubernetes_io_name",
    ),
    "CHARGEBACK_POLICY": None,
    "CHARGEBACK_SQL_URL": None,
    "CHARGEBACK_METRICS_NAMESPACE": None,
    "CHARGEBACK_LOG_LEVEL": "INFO",
}
REQUIRED = {
    "CLUSTER_ARN": CLUSTER_ARN,
    "LAKE": "s3://lake/chargeback",
    "KUBECOST_URL": "http://kubecost-cost-analyzer.kubecost:9090",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any setting."""
    for name in DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def read(environment: pytest.MonkeyPatch, kind: type[Settings] = Settings, /, **values: str) -> Settings:
    for name, value in values.items():
        environment.setenv(PREFIX + name, value)
    return read_settings(kind)


def refusal(environment: pytest.MonkeyPatch, kind: type[Settings] = Settings, /, **values: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read(environment, kind, **values)
    return str(refused.value)


def test_every_setting_of_the_contract_has_its_default_and_there_is_no_other(environment: pytest.MonkeyPatch) -> None:
    settings = read(environment)
    assert {PREFIX + name.upper(): getattr(settings, name) for name in Settings.model_fields} == DEFAULTS


def test_the_default_retention_is_that_of_the_server() -> None:
    assert (KUBECOST.hourly_retention, OPENCOST.hourly_retention) == (timedelta(hours=49), timedelta(days=15))


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        (
            "CLUSTER_ARN",
            CLUSTER_ARN,
            Cluster(CLUSTER_ARN, "aws", "us-east-1", "111122223333", "analytics-prod"),
        ),
        (
            "CLUSTER_ARN",
            "arn:aws-us-gov:eks:us-gov-west-1:111122223333:cluster/a_b-1",
            Cluster(
                "arn:aws-us-gov:eks:us-gov-west-1:111122223333:cluster/a_b-1",
                "aws-us-gov",
                "us-gov-west-1",
                "111122223333",
                "a_b-1",
            ),
        ),
        ("LAKE", "s3://lake", Location("lake", "")),
        ("LAKE", "s3://lake/", Location("lake", "")),
        ("LAKE", "s3://my.lake-1/a/b=c/", Location("my.lake-1", "a/b=c")),
        (
            "KUBECOST_URL",
            "https://user:secret@kubecost.example:9090/model",
            "https://user:secret@kubecost.example:9090/model",
        ),
        ("KUBECOST_CLUSTER_ID", "cluster-one", "cluster-one"),
        ("GLUE_DATABASE", "finops_2026", "finops_2026"),
        ("ATHENA_WORKGROUP", "FinOps.team-1", "FinOps.team-1"),
        ("CUR_TABLE", "athenacurcfn_c_u_r.cur_data", "athenacurcfn_c_u_r.cur_data"),
        ("COLLECT_AFTER", "90m", timedelta(minutes=90)),
        ("SETTLE_AFTER", "36h", timedelta(hours=36)),
        ("LOOKBACK", "14d", timedelta(days=14)),
        ("HOURLY_RETENTION", "49h", timedelta(hours=49)),
        ("LABELS", "team, app.kubernetes.io/name ,team,,app_kubernetes_io_name", ("team", "app_kubernetes_io_name")),
        ("POLICY", "s3://lake/policy", Location("lake", "policy")),
        ("POLICY", str(Path(__file__).parent), Path(__file__).parent),
        ("METRICS_NAMESPACE", "Chargeback", "Chargeback"),
        ("METRICS_NAMESPACE", "AWS Costs/Team #1: a_b-c.d", "AWS Costs/Team #1: a_b-c.d"),
        ("LOG_LEVEL", "WARNING", "WARNING"),
    ],
)
def test_a_setting_is_read_from_its_text(environment: pytest.MonkeyPatch, name: str, text: str, value: object) -> None:
    assert getattr(read(environment, **{name: text}), name.lower()) == value


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("CLUSTER_ARN", "analytics-prod", "is not an EKS cluster's ARN"),
        ("CLUSTER_ARN", "arn:aws:ecs:us-east-1:111122223333:cluster/a", "is not an EKS cluster's ARN"),
        ("CLUSTER_ARN", f"{CLUSTER_ARN}/../other", "is not an EKS cluster's ARN"),
        ("LAKE", "lake/chargeback", "is not a place in S3; write s3://bucket/prefix"),
        ("LAKE", "s3://Lake", "is not a place in S3"),
        ("LAKE", "s3://lake/a b", "is not a place in S3"),
        ("KUBECOST_URL", "kubecost.kubecost:9090", "it is not an http:// or https:// address"),
        ("KUBECOST_URL", "http://", "it is not an http:// or https:// address"),
        ("KUBECOST_CA_BUNDLE", "/no/such/file.pem", "Path does not point to a file"),
        ("POLICY", "/no/such/directory", "is no directory; write a directory's path, or s3://bucket/prefix"),
        ("POLICY", __file__, "is no directory"),
        ("POLICY", "s3://Lake", "is not a place in S3"),
        ("GLUE_DATABASE", "charge-back", "is not a database's name"),
        ("ATHENA_WORKGROUP", "two words", "is not a workgroup's name"),
        ("CUR_TABLE", "cur", "is not a table; write database.table"),
        ("CUR_TABLE", "a.b; DROP TABLE c", "is not a table"),
        ("COLLECT_AFTER", "2 hours", "is not a duration"),
        ("HOURLY_RETENTION", "9" * 20 + "d", "is not a duration"),
        ("METRICS_NAMESPACE", "AWS/Chargeback", "begin with none of AWS/, a colon and a space"),
        ("METRICS_NAMESPACE", ":chargeback", "is not a CloudWatch namespace of your own"),
        ("METRICS_NAMESPACE", " ", "is not a CloudWatch namespace"),
        ("METRICS_NAMESPACE", "n" * 256, "is not a CloudWatch namespace"),
        ("LOG_LEVEL", "LOUD", "Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named_with_what_is_wrong(
    environment: pytest.MonkeyPatch, name: str, text: str, said: str
) -> None:
    message = refusal(environment, **{name: text})
    assert message.startswith(f"The settings are not right: CHARGEBACK_{name}: ")
    assert said in message


@pytest.mark.parametrize(
    ("kind", "missing"),
    [(LakeSettings, ["CLUSTER_ARN", "LAKE"]), (CollectSettings, ["CLUSTER_ARN", "LAKE", "KUBECOST_URL"])],
)
def test_what_a_command_needs_is_named_where_it_is_missing(
    environment: pytest.MonkeyPatch, kind: type[Settings], missing: list[str]
) -> None:
    lines = refusal(environment, kind).splitlines()
    assert lines == ["The settings are not right:", *(f"  - CHARGEBACK_{name} is not set" for name in missing)]
    settings = read(environment, kind, **REQUIRED)
    assert settings.lake == Location("lake", "chargeback")


def test_all_mistakes_are_named_at_once(environment: pytest.MonkeyPatch) -> None:
    lines = refusal(environment, CollectSettings, LAKE="here", LOOKBACK="a week", LABEL="team").splitlines()[1:]
    assert lines == [
        "  - CHARGEBACK_LABEL is not a setting (did you mean CHARGEBACK_LABELS?)",
        "  - CHARGEBACK_CLUSTER_ARN is not set",
        "  - CHARGEBACK_LAKE: 'here' is not a place in S3; write s3://bucket/prefix",
        "  - CHARGEBACK_KUBECOST_URL is not set",
        "  - CHARGEBACK_LOOKBACK: 'a week' is not a duration; write minutes, hours or days, such as 90m, 49h or 7d",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("KUBECOST_ULR", "CHARGEBACK_KUBECOST_ULR is not a setting (did you mean CHARGEBACK_KUBECOST_URL?)"),
        ("LOGLEVEL", "CHARGEBACK_LOGLEVEL is not a setting (did you mean CHARGEBACK_LOG_LEVEL?)"),
        ("XYZZY", "CHARGEBACK_XYZZY is not a setting"),
    ],
)
def test_an_unknown_name_is_a_mistake(environment: pytest.MonkeyPatch, name: str, said: str) -> None:
    assert said in refusal(environment, **{name: "1"})


def test_a_name_without_the_prefix_is_none_of_ours(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LAKE", "s3://another/lake")
    environment.setenv("MY_CHARGEBACK_LAKE", "s3://another/lake")
    assert read(environment).lake is None


@pytest.mark.parametrize("name", [name.removeprefix(PREFIX) for name in DEFAULTS])
def test_an_empty_text_means_unset(environment: pytest.MonkeyPatch, name: str) -> None:
    settings = read(environment, **{name: ""})
    assert getattr(settings, name.lower()) == DEFAULTS[PREFIX + name]


def test_what_must_be_set_is_not_set_by_an_empty_text(environment: pytest.MonkeyPatch) -> None:
    assert "CHARGEBACK_LAKE is not set" in refusal(environment, LakeSettings, **REQUIRED | {"LAKE": ""})


def test_secrets_are_shown_nowhere(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    secrets = {
        "KUBECOST_URL": "http://user:hunter2@kubecost:9090",
        "KUBECOST_API_KEY": "hunter2",
        "SQL_URL": "trino://user:hunter2@trino:8443/hive",
        "KUBECOST_CA_BUNDLE": str(bundle),
    }
    settings = read(environment, CollectSettings, **REQUIRED | secrets)
    assert settings.kubecost_api_key is not None
    assert settings.kubecost_api_key.get_secret_value() == "hunter2"
    assert settings.kubecost_ca_bundle == bundle
    assert "hunter2" not in repr(settings) + str(settings)
    assert "hunter2" not in repr(read(environment))
    message = refusal(environment, CollectSettings, KUBECOST_URL="ftp://user:hunter2@kubecost", LOOKBACK="ever")
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "address",
    [
        "http://finops:hunter2/x@kubecost:9090",
        "http://finops:2/hunter2@kubecost:9090",
        "http://finops:hunter2#x@kubecost:9090",
        "http://finops:2#hunter2@kubecost:9090",
        "http://finops:hunter2?x@kubecost:9090",
        "http://finops:2?hunter2@kubecost:9090",
        "http://finops:/hunter2@kubecost:9090",
        "http://hunter2\u2100@kubecost:9090",
        "http://finops:[hunter2]@kubecost:9090",
        "http://kubecost:9090/?token=hunter2",
        "http://kubecost:9090/#hunter2",
    ],
)
def test_a_password_that_is_not_percent_encoded_is_refused_and_never_shown(
    environment: pytest.MonkeyPatch, address: str
) -> None:
    with pytest.raises(ConfigurationError, match="percent-encode the password") as refused:
        read(environment, CollectSettings, **REQUIRED | {"KUBECOST_URL": address})
    error: BaseException | None = refused.value
    while error is not None:
        assert "hunter2" not in str(error)
        error = error.__cause__ or error.__context__


def test_a_look_back_of_no_time_is_refused(environment: pytest.MonkeyPatch) -> None:
    for text in ("0m", "0h", "0d"):
        assert f"CHARGEBACK_LOOKBACK: '{text}' is no time at all" in refusal(environment, LOOKBACK=text)
    assert read(environment, LOOKBACK="1h", COLLECT_AFTER="0h").collect_after == timedelta(0)


def test_settings_are_read_once_and_never_change(environment: pytest.MonkeyPatch) -> None:
    settings = read(environment)
    with pytest.raises(ValueError, match="frozen"):
        settings.log_level = "DEBUG"


def test_the_page_of_settings_in_the_docs_is_what_the_code_says() -> None:
    shown = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    assert shown == page(), "make docs"
    for name in Settings.model_fields:
        assert f"`CHARGEBACK_{name.upper()}`" in shown
