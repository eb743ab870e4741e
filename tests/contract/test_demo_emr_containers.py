from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
from moto.emrcontainers.models import EMRContainersBackend

from pipeline.demo import emr_containers
from pipeline.demo.estate.estate import Estate
from pipeline.tables import JOB_RUNS, MANAGED_ENDPOINTS
from pipeline.window import HOUR
from tests.emr_account import ESTATE, NOW, emr, naive, refreshed, rows


def test_the_demo_lists_nothing_that_has_not_begun_and_ends_nothing_that_still_runs(
    account: EMRContainersBackend,
) -> None:
    emr_containers.install(ESTATE, ESTATE.history.start + 3 * HOUR + timedelta(minutes=15))
    refreshed()
    found = rows(JOB_RUNS)
    assert {row["state"] for row in found} >= {"RUNNING", "COMPLETED"}
    for row in found:
        assert (row["finished_at"] is None) == (row["state"] == "RUNNING")
    assert rows(MANAGED_ENDPOINTS) == [], "the endpoint is created at 07:34"


def test_the_demo_filters_and_pages_endpoints_as_aws_does(account: EMRContainersBackend) -> None:
    (of,) = (found.virtual_cluster_id for found in emr().virtual_clusters() if found.namespace == "emr-risk")
    second = replace(_endpoint(of, ESTATE), id="second", state="TERMINATED", created_at=naive(NOW))
    emr_containers.serve_endpoints([_endpoint(of, ESTATE), second])
    client = boto3.client("emr-containers")

    def ids(**asked: Any) -> list[str]:
        return [e["id"] for e in client.list_managed_endpoints(virtualClusterId=of, **asked)["endpoints"]]

    assert ids() == ["first", "second"]
    assert ids(states=["ACTIVE", "CREATING"]) == ["first"]
    assert ids(types=["JUPYTER_ENTERPRISE_GATEWAY"]) == ["first", "second"]
    assert ids(types=["OTHER"]) == []
    assert ids(createdAfter=NOW - HOUR) == ["second"]
    assert ids(createdBefore=NOW - HOUR) == ["first"]
    pages = client.get_paginator("list_managed_endpoints").paginate(
        virtualClusterId=of, PaginationConfig={"PageSize": 1}
    )
    assert [[e["id"] for e in page["endpoints"]] for page in pages] == [["first"], ["second"]]
    assert client.list_managed_endpoints(virtualClusterId="another")["endpoints"] == []


def _endpoint(virtual_cluster_id: str, estate: Estate) -> emr_containers.ManagedEndpoint:
    return emr_containers.ManagedEndpoint(
        id="first",
        name="studio",
        arn=f"arn:aws:emr-containers:us-east-1:111122223333:/virtualclusters/{virtual_cluster_id}/endpoints/first",
        virtual_cluster_id=virtual_cluster_id,
        execution_role_arn="arn:aws:iam::111122223333:role/emr-studio",
        created_at=naive(estate.history.start),
        tags={},
    )
