import re

import pyarrow as pa
import pytest

from pipeline.tables import ALLOCATIONS, LAKE_TABLES, NODES, PARTITION_KEY, VOLUMES, Column, Table

CONTRACT = {
    ALLOCATIONS: """
        cluster_arn cluster_name account_id region window_start window_end namespace pod container controller_kind
        controller_name node instance_id instance_type capacity_type availability_zone node_pool provider_id
        workload_kind workload_id workload_name virtual_cluster_id job_run_id emr_internal_id spark_app_id
        spark_app_name spark_role labels minutes cpu_core_hours cpu_core_request_hours cpu_core_usage_hours
        ram_gib_hours ram_gib_request_hours ram_gib_usage_hours gpu_hours pv_gib_hours network_transfer_bytes
        network_receive_bytes cpu_cost ram_cost gpu_cost pv_cost network_cost network_cross_zone_cost
        network_cross_region_cost network_internet_cost load_balancer_cost shared_cost total_cost collected_at
        """,
    NODES: """
        cluster_arn window_start window_end node instance_id provider_id instance_type capacity_type node_pool
        availability_zone minutes cpu_core_hours ram_gib_hours gpu_hours total_cost
        """,
    VOLUMES: "cluster_arn window_start window_end volume_id volume_name namespace pod gib_hours cost",
}
NAMES = {ALLOCATIONS: "allocations", NODES: "nodes", VOLUMES: "volumes"}


def expected_type(column: Column) -> pa.DataType:
    if re.search(r"(_cost|_hours|_bytes|^cost|^minutes)$", column.name):
        return pa.float64()
    if re.search(r"(_at|_start|_end)$", column.name):
        return pa.timestamp("ms")
    return pa.map_(pa.string(), pa.string()) if column.name == "labels" else pa.string()


@pytest.mark.parametrize("table", LAKE_TABLES, ids=lambda table: table.name)
def test_every_column_that_others_rely_on_is_there(table: Table) -> None:
    assert table.name == NAMES[table]
    assert set(CONTRACT[table].split()) <= set(table.schema.names)


@pytest.mark.parametrize("table", LAKE_TABLES, ids=lambda table: table.name)
def test_column_names_are_unique_snake_case(table: Table) -> None:
    names = table.schema.names
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)] == []


@pytest.mark.parametrize("table", LAKE_TABLES, ids=lambda table: table.name)
def test_the_partition_key_is_in_the_path_and_not_in_the_file(table: Table) -> None:
    assert PARTITION_KEY == "usage_date"
    assert PARTITION_KEY not in table.schema.names


@pytest.mark.parametrize("table", LAKE_TABLES, ids=lambda table: table.name)
def test_every_column_says_what_it_is(table: Table) -> None:
    for column in table.columns:
        assert len(column.comment) >= len("Pod name"), column.name
        assert column.comment.lower() != column.name.replace("_", " "), column.name
        assert column.comment == column.comment.strip()
        assert len(column.comment) <= 255, "Glue takes no longer comment"


@pytest.mark.parametrize("table", LAKE_TABLES, ids=lambda table: table.name)
def test_money_and_quantities_are_double_and_times_are_milliseconds_without_zone(table: Table) -> None:
    for column in table.columns:
        assert column.type == expected_type(column), column.name


@pytest.mark.parametrize("table", LAKE_TABLES, ids=lambda table: table.name)
def test_rows_are_ordered_by_columns_of_the_table_first_of_all_by_time(table: Table) -> None:
    assert table.order[0] == "window_start"
    assert set(table.order) <= set(table.schema.names)


def test_allocations_are_in_the_order_of_the_contract() -> None:
    assert ALLOCATIONS.order == ("window_start", "workload_id", "namespace", "pod", "container", "node")


def test_allocations_are_written_last_for_they_say_that_a_window_is_there() -> None:
    assert LAKE_TABLES[-1] is ALLOCATIONS
    assert set(LAKE_TABLES) == CONTRACT.keys()
