import re
from typing import Any

from tests.deploying import Place

LAKE, RESULTS, BILL = (
    "chargeback-lake-lakebucket-1a",
    "chargeback-lake-resultsbucket-2b",
    "chargeback-cost-report-billbucket-3c",
)
OWN = "111122223333_eu-west-1_analytics-prod.parquet"
OTHER = "111122223333_eu-west-1_analytics-dev.parquet"
OBJECTS: dict[str, Any] = {
    LAKE: [
        ["chargeback/allocations/usage_date=2026-10-01/" + OTHER, "5", "version"],
        ["chargeback/allocations/usage_date=2026-10-01/" + OWN, "1", "version"],
        ["chargeback/allocations/usage_date=2026-10-01/" + OWN, "2", "version"],
        ["chargeback/nodes/usage_date=2026-10-01/" + OWN, "3", "marker"],
        ["chargeback/virtual_clusters/" + OWN, "4", "version"],
    ],
    RESULTS: [['chargeback/a"b c.csv', "null", "version"], ["chargeback/x", "9", "marker"], ["y", "1", "version"]],
    BILL: [],
    "somebody-elses": [["chargeback/allocations/usage_date=2026-10-01/" + OWN, "1", "version"]],
}


def _deploy(place: Place) -> None:
    ran = place.deploy("--yes")
    assert ran.code == 0, ran.err
    place.change(objects=OBJECTS, databases=["chargeback_bill"])
    place.forget()


def _second_cluster(place: Place) -> None:
    stack = {"status": "CREATE_COMPLETE", "parameters": {"ClusterName": "analytics-dev"}, "outputs": {}}
    place.world["stacks"]["eu-west-1/chargeback-analytics-dev"] = stack


def test_what_was_deployed_goes_in_the_order_in_which_each_uses_the_next_and_the_data_stays(place: Place) -> None:
    _deploy(place)
    ran = place.destroy("--yes")
    assert ran.code == 0, ran.err
    assert [re.sub(" --region \\S+", "", line) for line in place.changes] == [
        "kubectl delete namespace chargeback --ignore-not-found --wait",
        "helm uninstall kubecost --namespace kubecost --wait",
        "kubectl delete namespace kubecost --ignore-not-found --wait",
        "aws cloudformation delete-stack --stack-name chargeback-kubecost-analytics-prod",
        "aws cloudformation wait stack-delete-complete --stack-name chargeback-kubecost-analytics-prod",
        "aws cloudformation delete-stack --stack-name chargeback-analytics-prod",
        "aws cloudformation wait stack-delete-complete --stack-name chargeback-analytics-prod",
        "aws cloudformation delete-stack --stack-name chargeback-lake",
        "aws cloudformation wait stack-delete-complete --stack-name chargeback-lake",
        "aws cloudformation delete-stack --stack-name chargeback-cost-report",
        "aws cloudformation wait stack-delete-complete --stack-name chargeback-cost-report",
        "aws glue delete-database --name chargeback_bill",
    ]
    assert place.world["objects"] == OBJECTS
    stays = ran.out.rpartition("This stays:")[2]
    for bucket in (LAKE, RESULTS, BILL):
        assert f"the bucket {bucket}, and what is in it" in stays
    assert "somebody-elses" not in ran.out


def test_with_delete_data_every_version_and_marker_goes_and_the_buckets_too(place: Place) -> None:
    _deploy(place)
    ran = place.destroy("--yes", "--delete-data")
    assert ran.code == 0, ran.err
    assert place.world["objects"] == {"somebody-elses": OBJECTS["somebody-elses"]}
    for bucket in (LAKE, RESULTS, BILL):
        assert f"the bucket {bucket}, with EVERYTHING in it" in ran.out
    assert "--delete-data" not in ran.out.rpartition("This stays:")[2]


def test_data_that_an_earlier_run_left_can_still_be_deleted(place: Place) -> None:
    _deploy(place)
    assert place.destroy("--yes").code == 0
    ran = place.destroy("--yes", "--delete-data")
    assert ran.code == 0, ran.err
    assert set(place.world["objects"]) == {"somebody-elses"}


def test_what_s3_refuses_to_delete_fails_the_run(place: Place) -> None:
    _deploy(place)
    place.change(locked=["chargeback/virtual_clusters/" + OWN])
    ran = place.destroy("--yes", "--delete-data")
    assert ran.code == 1
    assert f"S3 refused to delete from {LAKE}: chargeback/virtual_clusters/{OWN}\tAccessDenied" in ran.err
    place.change(locked=[])
    assert place.destroy("--yes", "--delete-data").code == 0
    assert set(place.world["objects"]) == {"somebody-elses"}


def test_what_other_clusters_use_stays_with_their_data(place: Place) -> None:
    _deploy(place)
    _second_cluster(place)
    ran = place.destroy("--yes", "--delete-data")
    assert ran.code == 0, ran.err
    assert {name.partition("/")[2] for name in place.world["stacks"]} == {
        "chargeback-lake",
        "chargeback-cost-report",
        "chargeback-analytics-dev",
    }
    left = [key for key, _, _ in place.world["objects"][LAKE]]
    assert left == ["chargeback/allocations/usage_date=2026-10-01/" + OTHER]
    assert {name: place.world["objects"][name] for name in OBJECTS if name != LAKE} == {
        name: OBJECTS[name] for name in OBJECTS if name != LAKE
    }
    assert place.world["databases"] == ["chargeback_bill"]
    assert "the clusters analytics-dev use them" in ran.out


def test_the_cost_report_stays_while_another_region_has_a_lake(place: Place) -> None:
    _deploy(place)
    place.world["stacks"]["us-east-1/chargeback-lake"] = {"status": "CREATE_COMPLETE", "parameters": {}, "outputs": {}}
    ran = place.destroy("--yes", "--delete-data")
    assert ran.code == 0, ran.err
    assert set(place.world["stacks"]) == {"us-east-1/chargeback-lake", "us-east-1/chargeback-cost-report"}
    assert set(place.world["objects"]) == {BILL, "somebody-elses"}
    assert "the regions us-east-1 use it" in ran.out


def test_a_kubecost_that_somebody_else_installed_stays(place: Place) -> None:
    place.change(
        namespaces={"kubecost": {}, "chargeback": {}}, services=["kubecost"], releases={"kubecost": "deployed"}
    )
    ran = place.destroy("--yes")
    assert ran.code == 0, ran.err
    assert place.changes == ["kubectl delete namespace chargeback --ignore-not-found --wait"]
    assert place.world["releases"] == {"kubecost": "deployed"}
    assert "deploy.sh did not install it" in ran.out


def test_a_namespace_that_was_there_before_kubecost_stays(place: Place) -> None:
    place.change(namespaces={"kubecost": {}})
    _deploy(place)
    assert place.world["namespaces"]["kubecost"] == {"emr-eks-chargeback/installed": "release"}
    assert place.destroy("--yes").code == 0
    assert place.world["releases"] == {}
    assert place.world["namespaces"] == {"kubecost": {}}


def test_it_asks_and_asks_again_before_data(place: Place) -> None:
    _deploy(place)
    for answer in ("", "n\n", "y\n", "y\nn\n"):
        ran = place.destroy("--delete-data", answer=answer)
        assert (ran.code, place.changes) == (1, []), answer
        assert ("which nobody can bring back" in ran.out) is answer.startswith("y")
    assert place.destroy("--delete-data", answer="y\ny\n").code == 0


def test_a_dry_run_prints_what_would_go_and_changes_nothing(place: Place) -> None:
    _deploy(place)
    ran = place.destroy("--dry-run", "--delete-data")
    assert ran.code == 0, ran.err
    assert place.changes == []
    for command in ("kubectl delete namespace chargeback", "helm uninstall", "delete-stack", "delete-bucket"):
        assert f"{command} " in ran.out
    assert place.world["objects"] == OBJECTS


def test_a_run_that_failed_in_the_middle_goes_on(place: Place) -> None:
    _deploy(place)
    place.fail("wait stack-delete-complete .*chargeback-analytics-prod")
    first = place.destroy("--yes")
    assert first.code == 1
    assert "Workgroup\tquota" in first.err
    assert "Run the same command again" in first.err
    second = place.destroy("--yes")
    assert second.code == 0, second.err
    assert (place.world["stacks"], place.world["namespaces"]) == ({}, {})


def test_a_cluster_that_is_gone_is_no_hindrance(place: Place) -> None:
    _deploy(place)
    place.change(clusters={})
    place.has_tools(["aws"])
    ran = place.destroy("--yes")
    assert ran.code == 0, ran.err
    assert place.world["stacks"] == {}


def test_where_nothing_is_there_nothing_is_asked(place: Place) -> None:
    ran = place.destroy()
    assert (ran.code, place.changes) == (0, [])
    assert "Nothing of it is there" in ran.out


def test_all_that_destroy_lacks_is_told_at_once(place: Place) -> None:
    _deploy(place)
    place.has_tools(["aws"])
    ran = place.destroy("--account", "444455556666", "--now", "--context")
    assert (ran.code, place.changes) == (2, [])
    assert ran.err.count("\n  - ") == 4
    place.has_tools(["aws", "kubectl"])
    assert "helm, to uninstall Kubecost" in place.destroy("--yes").err


def test_what_cannot_be_seen_is_not_taken_for_gone(place: Place) -> None:
    _deploy(place)
    place.fail("describe-stacks --region us-east-1 --stack-name chargeback-cost-report", "AccessDenied: no")
    ran = place.destroy("--yes", "--delete-data")
    assert (ran.code, place.changes) == (1, [])
    assert "AccessDenied" in ran.err


def test_buckets_of_another_regions_lake_stay(place: Place) -> None:
    _deploy(place)
    elsewhere = "chargeback-lake-lakebucket-4d"
    place.world["objects"][elsewhere] = [["x", "1", "version"]]
    place.world["bucket_regions"][elsewhere] = "us-east-1"
    ran = place.destroy("--yes", "--delete-data")
    assert ran.code == 0, ran.err
    assert set(place.world["objects"]) == {elsewhere, "somebody-elses"}
    assert elsewhere not in ran.out
