from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.attribution import Workload, WorkloadKind, complete, completed, shared_labels, united

JOB = "00000008k7cyoqlkw55"
APP = "spark-ea7c71e36115aade759c625825c7b5cb"
OTHER = Workload(WorkloadKind.OTHER)


def in_job(**facts: str) -> Workload:
    return Workload(WorkloadKind.JOB_RUN, JOB, job_run_id=JOB, **facts)


def in_endpoint(**facts: str) -> Workload:
    return Workload(WorkloadKind.INTERACTIVE_ENDPOINT, "2pk3vdohmrucl", **facts)


def test_the_name_that_one_pod_carries_reaches_all_pods_of_its_job_and_no_other() -> None:
    runner, driver = in_job(spark_role="submitter"), in_job(name="orders", spark_app_id=APP, spark_role="driver")
    stranger = Workload(WorkloadKind.JOB_RUN, "another", job_run_id="another")
    known = complete([runner, driver, stranger, OTHER])
    assert completed(runner, known) == in_job(name="orders", spark_app_id=APP, spark_role="submitter")
    assert completed(driver, known) == driver
    assert completed(stranger, known) == stranger
    assert completed(OTHER, known) == OTHER


def test_where_pods_of_a_job_disagree_the_smallest_value_speaks_for_those_that_say_nothing() -> None:
    silent, first, second = in_job(), in_job(name="orders"), in_job(name="orders-v2")
    for pods in ([silent, first, second], [second, first, silent]):
        assert completed(silent, complete(pods)).name == "orders"
        assert completed(second, complete(pods)).name == "orders-v2"


def test_labels_that_only_some_pods_of_a_job_carry_are_known_of_the_job_and_of_no_other() -> None:
    stranger = Workload(WorkloadKind.JOB_RUN, "another", job_run_id="another")
    pods = [
        (in_job(), {"team": "sales", "secret": "x"}),
        (in_job(), {"queue": "root"}),
        (in_job(), None),
        (stranger, {}),
        (stranger, {"team": "risk"}),
        (OTHER, {"team": "none"}),
        (in_endpoint(), {"team": "of one kernel"}),
    ]
    assert shared_labels(pods, ("team", "queue")) == {
        ("job_run", JOB): {"team": "sales", "queue": "root"},
        ("job_run", "another"): {"team": "risk"},
    }


@pytest.mark.parametrize("turn", [1, -1])
def test_where_labels_of_a_job_disagree_the_smallest_value_speaks(turn: int) -> None:
    pods = [(in_job(), {"team": "sales"}), (in_job(), {"team": "risk"})][::turn]
    assert shared_labels(pods, ("team",)) == {("job_run", JOB): {"team": "risk"}}


def test_executors_without_the_operators_labels_are_of_the_application_that_they_belong_to() -> None:
    driver = Workload(WorkloadKind.SPARK, "s-1", name="report", spark_app_id=APP, spark_role="driver")
    executor = Workload(WorkloadKind.SPARK, APP, spark_app_id=APP, spark_role="executor")
    assert united([driver, executor]) == {driver: driver, executor: replace(executor, id="s-1")}
    on_emr = replace(driver, kind=WorkloadKind.SPARK_OPERATOR, id="x1", emr_internal_id="x1")
    plain = Workload(WorkloadKind.SPARK_SUBMIT, "x1", emr_internal_id="x1", spark_role="executor")
    found = united([plain, on_emr, executor])
    assert {(one.kind, one.id) for one in found.values()} == {(WorkloadKind.SPARK_OPERATOR, "x1")}
    assert [found[one].spark_role for one in (plain, on_emr, executor)] == ["executor", "driver", "executor"]


def test_executors_without_the_jobs_labels_are_of_the_job_run_that_their_driver_names() -> None:
    driver = in_job(spark_app_id=APP, virtual_cluster_id="vc1", spark_role="driver")
    executor = Workload(WorkloadKind.SPARK, APP, spark_app_id=APP, spark_role="executor")
    same = united([executor, driver])
    assert completed(same[executor], complete(same.values())) == replace(driver, spark_role="executor")


def test_a_kernel_that_names_no_endpoint_is_of_the_one_that_its_driver_names() -> None:
    driver = in_endpoint(emr_internal_id="x1", spark_role="driver")
    executor = Workload(WorkloadKind.INTERACTIVE_ENDPOINT, "x1", emr_internal_id="x1", spark_role="executor")
    other = Workload(WorkloadKind.INTERACTIVE_ENDPOINT, "x2", emr_internal_id="x2", spark_role="driver")
    same = united([executor, driver, other, OTHER])
    assert (same[executor].id, same[other], same[OTHER]) == (driver.id, other, OTHER)


def test_one_id_in_two_kinds_is_two_workloads() -> None:
    submit = Workload(WorkloadKind.SPARK_SUBMIT, "same", name="backfill")
    flink = Workload(WorkloadKind.FLINK, "same")
    assert completed(flink, complete([submit, flink])).name is None


def test_a_gateway_is_none_of_the_applications_that_run_behind_it() -> None:
    gateway = in_endpoint(spark_role="gateway")
    kernels = [in_endpoint(spark_app_id=f"spark-{n}", emr_internal_id=str(n), spark_role="driver") for n in (1, 2)]
    known = complete([gateway, *kernels])
    assert completed(gateway, known) == gateway
    assert [completed(kernel, known) for kernel in kernels] == kernels


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    text = st.none() | st.sampled_from(["a", "b"])
    kind = draw(st.sampled_from(WorkloadKind))
    named = kind not in (WorkloadKind.PLATFORM, WorkloadKind.OTHER)
    job = draw(st.sampled_from(["one", "two"])) if named else None
    return Workload(
        kind,
        job,
        name=draw(text),
        virtual_cluster_id=draw(text),
        job_run_id=job if kind is WorkloadKind.JOB_RUN else None,
        emr_internal_id=draw(text),
        spark_app_id=draw(text),
        spark_app_name=draw(text),
        spark_role=draw(text),
    )


@settings(deadline=None)
@given(st.lists(workloads(), max_size=12), st.randoms(use_true_random=False))
def test_what_pods_say_together_does_not_depend_on_their_order(pods: list[Workload], random: Any) -> None:
    known = complete(pods)
    shuffled = random.sample(pods, len(pods))
    assert complete(shuffled + shuffled[:3]) == known
    for pod in pods:
        found = completed(pod, known)
        assert completed(found, known) == found
        assert (found.kind, found.id, found.job_run_id, found.spark_role) == (
            pod.kind,
            pod.id,
            pod.job_run_id,
            pod.spark_role,
        )
        assert pod.name in (None, found.name)


@settings(deadline=None)
@given(st.lists(workloads(), max_size=12), st.randoms(use_true_random=False))
def test_whom_pods_belong_to_together_does_not_depend_on_their_order(pods: list[Workload], random: Any) -> None:
    found = united(pods)
    assert found.keys() == set(pods)
    assert united(random.sample(pods, len(pods))) == found
    for pod, of in found.items():
        assert (of.id is None) == (of.kind in (WorkloadKind.PLATFORM, WorkloadKind.OTHER))
        assert (of.job_run_id is None) == (of.kind is not WorkloadKind.JOB_RUN)
        assert replace(of, kind=pod.kind, id=pod.id, job_run_id=pod.job_run_id) == pod
