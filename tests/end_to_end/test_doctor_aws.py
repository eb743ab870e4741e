"""What `doctor` finds of AWS: whose credentials these are, the lake, and EMR."""

import json
from pathlib import Path

import boto3
import pytest

from tests.captures import Answer, serving
from tests.diagnosis import ACCOUNT, CLUSTER_ARN, doctor
from tests.end_to_end.test_collect import collect
from tests.fault_proxy import Act, Exchange, Fault, faults_before, passed_on, refused, replied

UNREACHABLE = "http://127.0.0.1:9"
REST = ("--skip-emr", "--collect-only")
OF_AWS = ["lake: bucket", "lake: Region", "lake: objects", "lake: hours"]


@pytest.fixture(autouse=True)
def environment(bucket: str, opencost_url: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("CHARGEBACK_CLUSTER_ARN", CLUSTER_ARN)
    monkeypatch.setenv("CHARGEBACK_LAKE", f"s3://{bucket}/chargeback")
    monkeypatch.setenv("CHARGEBACK_KUBECOST_URL", opencost_url)
    return monkeypatch


@pytest.fixture
def in_a_pod(environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No credentials but those that EKS would give."""
    environment.delenv("AWS_ACCESS_KEY_ID")
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        environment.setenv(name, "/dev/null")
    return environment


@pytest.fixture
def with_irsa(in_a_pod: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    token = tmp_path / "token"
    token.write_text("eyJhbGciOiJSUzI1NiJ9", encoding="utf-8")
    in_a_pod.setenv("AWS_ROLE_ARN", f"arn:aws:iam::{ACCOUNT}:role/chargeback-collect")
    in_a_pod.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    return in_a_pod


def sts_refuses(action: str, code: str, message: str) -> Act:
    """Refuse one *action* of STS, and pass everything else on."""
    error = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    refusal = replied(403, f"{error}<RequestId>1</RequestId></ErrorResponse>".encode(), Content_Type="text/xml")

    def act(exchange: Exchange) -> None:
        (refusal if f"Action={action}&".encode() in exchange.body else passed_on)(exchange)

    return act


def anywhere(act: Act) -> Fault:
    return Fault(act, None, times=None)


def test_the_role_of_the_pod_is_named(with_irsa: pytest.MonkeyPatch) -> None:
    found = doctor(*REST)
    assert f"arn:aws:sts::{ACCOUNT}:assumed-role/chargeback-collect/" in found["AWS credentials"].found
    assert found["AWS account"].found == ACCOUNT
    assert found["lake: bucket"].verdict == "ok"


def test_without_credentials_nothing_else_of_aws_is_asked(in_a_pod: pytest.MonkeyPatch) -> None:
    found = doctor(*REST)
    assert found["AWS credentials"].verdict == "failed"
    assert "eks.amazonaws.com/role-arn" in str(found["AWS credentials"].fix)
    assert {found[probe].found for probe in OF_AWS} == {"there are no AWS credentials"}
    assert {found[probe].verdict for probe in OF_AWS} == {"not run"}
    assert found["Kubecost"].verdict == "ok"
    assert found.exit_code == 77


def test_a_role_that_does_not_trust_the_service_account(with_irsa: pytest.MonkeyPatch, aws: str) -> None:
    act = sts_refuses(
        "AssumeRoleWithWebIdentity", "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"
    )
    with faults_before(aws, anywhere(act)) as proxy:
        with_irsa.setenv("AWS_ENDPOINT_URL", proxy.url)
        found = doctor(*REST)
    assert "Not authorized to perform sts:AssumeRoleWithWebIdentity" in found["AWS credentials"].found
    assert "trust policy" in str(found["AWS credentials"].fix)
    assert ":sub system:serviceaccount:NAMESPACE:SERVICEACCOUNT" in str(found["AWS credentials"].fix)
    assert found["lake: bucket"].verdict == "not run"
    assert found.exit_code == 77


def test_an_issuer_that_iam_does_not_know(with_irsa: pytest.MonkeyPatch, aws: str) -> None:
    said = "No OpenIDConnect provider found in your account for https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"
    with faults_before(aws, anywhere(sts_refuses("AssumeRoleWithWebIdentity", "InvalidIdentityToken", said))) as proxy:
        with_irsa.setenv("AWS_ENDPOINT_URL", proxy.url)
        found = doctor(*REST)
    assert "associate-iam-oidc-provider" in str(found["AWS credentials"].fix)
    assert found.exit_code == 77


def test_a_token_that_is_not_where_the_environment_says(with_irsa: pytest.MonkeyPatch) -> None:
    with_irsa.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/eks.amazonaws.com/nowhere")
    found = doctor(*REST)
    assert "/var/run/secrets/eks.amazonaws.com/nowhere" in found["AWS credentials"].found
    assert "Start a new pod" in str(found["AWS credentials"].fix)
    assert found.exit_code == 77


def test_a_pod_identity_agent_that_gives_no_credentials(in_a_pod: pytest.MonkeyPatch) -> None:
    said = b"Unauthorized Exception! EKS does not have permissions to assume the associated role."
    with serving(lambda _: Answer(400, "text/plain", said)) as agent:
        in_a_pod.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{agent.url}/v1/credentials")
        found = doctor(*REST)
    assert "EKS does not have permissions to assume the associated role" in found["AWS credentials"].found
    assert "pods.eks.amazonaws.com" in str(found["AWS credentials"].fix)
    assert found.exit_code == 77


def test_a_pod_identity_agent_that_is_not_there(in_a_pod: pytest.MonkeyPatch) -> None:
    in_a_pod.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{UNREACHABLE}/v1/credentials")
    found = doctor(*REST)
    assert "eks-pod-identity-agent" in str(found["AWS credentials"].fix)
    assert "169.254.170.23:80" in str(found["AWS credentials"].fix)
    assert found.exit_code == 77


def test_the_nodes_own_role_is_a_warning(in_a_pod: pytest.MonkeyPatch) -> None:
    def metadata(path: str) -> Answer:
        if path.endswith("/api/token"):
            return Answer(200, "text/plain", b"token")
        if path.endswith("/security-credentials/"):
            return Answer(200, "text/plain", b"node")
        given = {"Code": "Success", "AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "x", "Token": "t"}
        return Answer(200, "application/json", json.dumps(given | {"Expiration": "2100-01-01T00:00:00Z"}).encode())

    with serving(lambda request: metadata(request.path)) as node:
        in_a_pod.setenv("AWS_EC2_METADATA_DISABLED", "false")
        in_a_pod.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", node.url)
        found = doctor(*REST)
    assert found["AWS credentials"].verdict == "warning"
    assert "the node's own role" in found["AWS credentials"].found
    assert "Pod Identity association" in str(found["AWS credentials"].fix)


def test_a_signature_that_aws_calls_expired_is_the_clocks_fault(environment: pytest.MonkeyPatch, aws: str) -> None:
    said = "Signature expired: 20261119T100000Z is now earlier than 20261119T104500Z"
    with faults_before(aws, anywhere(sts_refuses("GetCallerIdentity", "SignatureDoesNotMatch", said))) as proxy:
        environment.setenv("AWS_ENDPOINT_URL", proxy.url)
        found = doctor(*REST)
    assert "NTP" in str(found["AWS credentials"].fix)
    assert found.exit_code == 77


@pytest.mark.parametrize("status", [200, 403])
def test_this_machines_clock_is_held_against_any_answer_of_aws(
    environment: pytest.MonkeyPatch, aws: str, status: int
) -> None:
    old = "Thu, 01 Jan 2015 00:00:00 GMT"
    good = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::1:user/x</Arn><Account>1</Account>"
    bodies = {
        200: f"{good}</GetCallerIdentityResult></GetCallerIdentityResponse>",
        403: "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>",
    }
    answer = replied(status, bodies[status].encode(), Content_Type="text/xml", Date=old)
    with faults_before(aws, Fault(answer, "POST", "/", times=None)) as proxy:
        environment.setenv("AWS_ENDPOINT_URL", proxy.url)
        found = doctor(*REST, now=None)
    assert found["AWS clock"].verdict == "failed"
    assert "days ahead of the server's" in found["AWS clock"].found
    assert found.exit_code == 78


def test_an_aws_that_cannot_be_reached_is_no_lack_of_credentials(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL_STS", UNREACHABLE)
    found = doctor(*REST, now=None)
    assert "sts.REGION.amazonaws.com" in str(found["AWS credentials"].fix)
    assert found["AWS clock"].found == "AWS gave no answer"
    assert found["AWS account"].found == "AWS gave no answer"
    assert found["lake: bucket"].verdict == "ok"
    assert found["AWS credentials"].exit_code == 69


def test_credentials_of_another_account_than_the_clusters(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CHARGEBACK_CLUSTER_ARN", CLUSTER_ARN.replace(ACCOUNT, "111122223333"))
    found = doctor(*REST)
    assert found["AWS account"].found == f"the credentials are those of {ACCOUNT}, and the cluster is 111122223333's"
    assert found["AWS account"].fix == "Use a role of the account 111122223333, or correct CHARGEBACK_CLUSTER_ARN."
    assert found.exit_code == 78


def test_another_region_than_the_clusters_is_a_warning(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    found = doctor(*REST)
    assert found["AWS Region"].verdict == "warning"
    assert "asked in eu-west-1, and the cluster is in us-east-1" in found["AWS Region"].found
    assert "Set AWS_DEFAULT_REGION to us-east-1" in str(found["AWS Region"].fix)
    assert found["lake: Region"].verdict == "warning"


def test_where_the_environment_names_no_region_it_is_the_clusters(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AWS_DEFAULT_REGION")
    environment.setenv("AWS_CONFIG_FILE", "/dev/null")
    found = doctor(*REST)
    assert found["AWS Region"].found == "us-east-1"
    assert found["lake: Region"].found == "us-east-1"
    assert found.exit_code == 0


def test_a_bucket_in_another_region_costs_for_every_byte(environment: pytest.MonkeyPatch) -> None:
    s3 = boto3.client("s3", region_name="eu-west-1")
    s3.create_bucket(Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    environment.setenv("CHARGEBACK_LAKE", "s3://far-away/chargeback")
    found = doctor(*REST)
    assert found["lake: Region"].found == "the bucket is in eu-west-1, and everything else is asked in us-east-1"
    assert found["lake: Region"].verdict == "warning"


@pytest.mark.parametrize(
    ("headers", "found"),
    [({"X_Amz_Bucket_Region": "us-east-1"}, "us-east-1"), ({}, "S3 does not say where the bucket is")],
)
def test_who_may_list_a_prefix_only_learns_the_region_from_the_refusal(
    environment: pytest.MonkeyPatch, aws: str, headers: dict[str, str], found: str
) -> None:
    with faults_before(aws, Fault(replied(403, b"", **headers), "HEAD", times=None)) as proxy:
        environment.setenv("AWS_ENDPOINT_URL", proxy.url)
        assert doctor(*REST)["lake: Region"].found == found


def test_a_bucket_that_is_not_there(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CHARGEBACK_LAKE", "s3://lakee/chargeback")
    found = doctor(*REST)
    assert "NoSuchBucket" in found["lake: bucket"].found
    assert "correct CHARGEBACK_LAKE" in str(found["lake: bucket"].fix)
    assert {found[probe].found for probe in OF_AWS[1:]} == {"the bucket cannot be listed"}
    assert found.exit_code == 78


def test_a_bucket_that_may_not_be_listed(environment: pytest.MonkeyPatch, aws: str) -> None:
    denied = Fault(refused(403, "AccessDenied"), "GET", "list-type=2", times=None)
    with faults_before(aws, denied) as proxy:
        environment.setenv("AWS_ENDPOINT_URL", proxy.url)
        found = doctor(*REST)
    assert "Allow the role s3:ListBucket on arn:aws:s3:::lake," in str(found["lake: bucket"].fix)
    assert found.exit_code == 77


def test_objects_that_may_not_be_read(environment: pytest.MonkeyPatch, aws: str) -> None:
    denied = Fault(refused(403, "AccessDenied"), "GET", ".parquet", times=None)
    with faults_before(aws, denied) as proxy:
        environment.setenv("AWS_ENDPOINT_URL", proxy.url)
        found = doctor(*REST)
    assert found["lake: bucket"].verdict == "ok"
    assert "s3:GetObject and s3:PutObject on arn:aws:s3:::lake/chargeback/*" in str(found["lake: objects"].fix)
    assert found.exit_code == 77


def test_an_object_that_is_no_parquet_file_is_named(bucket: str) -> None:
    key = f"chargeback/allocations/usage_date=2026-11-19/{ACCOUNT}_us-east-1_analytics-prod.parquet"
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=b"not Parquet")
    found = doctor(*REST)
    assert f"s3://{bucket}/{key} is not a Parquet file" in found["lake: objects"].found
    assert "`collect` fetches its day again" in str(found["lake: objects"].fix)
    assert found.exit_code == 65


def test_a_lake_that_is_up_to_date_says_so(environment: pytest.MonkeyPatch) -> None:
    assert collect("19T10", now="2026-11-19T13:00:00Z").exit_code == 0
    found = doctor(*REST)
    assert found["lake: bucket"].found == "s3://lake/chargeback: 1 days of this cluster, 2026-11-19 to 2026-11-19"
    assert found["lake: hours"].verdict == "ok"
    assert "1 collected" in found["lake: hours"].found
    assert found.exit_code == 0


def emr_denies(part: str) -> Fault:
    body = b'{"message": "not authorized to perform emr-containers"}'
    header = {"Content_Type": "application/json", "X_Amzn_ErrorType": "AccessDeniedException"}
    return Fault(replied(403, body, **header), "GET", part, times=None)


@pytest.mark.parametrize("part", ["/virtualclusters", "/jobruns", "/endpoints"])
def test_emr_that_may_not_be_asked(account: object, environment: pytest.MonkeyPatch, emr_url: str, part: str) -> None:
    environment.setenv("CHARGEBACK_CLUSTER_ARN", "arn:aws:eks:us-east-1:111122223333:cluster/analytics")
    with faults_before(emr_url, emr_denies(part)) as proxy:
        environment.setenv("AWS_ENDPOINT_URL", proxy.url)
        found = doctor("--collect-only")
    assert found["EMR on EKS"].exit_code == 77
    assert "emr-containers:ListVirtualClusters, ListJobRuns, DescribeJobRun" in str(found["EMR on EKS"].fix)


def test_emr_lists_the_clusters_virtual_clusters(account: object, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CHARGEBACK_CLUSTER_ARN", "arn:aws:eks:us-east-1:111122223333:cluster/analytics")
    found = doctor("--collect-only")["EMR on EKS"]
    assert found.found == "virtual clusters: 2 (emr-risk, emr-sales); their job runs and endpoints may be listed"


def test_a_cluster_without_virtual_clusters_is_a_warning_or_left_out(environment: pytest.MonkeyPatch) -> None:
    assert doctor("--collect-only")["EMR on EKS"].verdict == "warning"
    left_out = doctor(*REST)["EMR on EKS"]
    assert (left_out.verdict, left_out.found) == ("not run", "--skip-emr was given")
