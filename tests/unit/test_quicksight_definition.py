import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import pytest

from pipeline.errors import ConfigurationError
from pipeline.quicksight_columns import asked_of, columns
from pipeline.quicksight_definition import Definition
from pipeline.quicksight_fields import ColumnType
from pipeline.quicksight_plan import Place, Plan, plan, read_by
from pipeline.relations import relations_read, views
from pipeline.story import Action, Story, Visual, read_story
from tests.quicksight_account import mistakes

PLACE = Place("aws", "us-east-1", "111122223333", "chargeback", "chargeback", "arn:aws:iam::111122223333:role/reader")
SHEETS = ["Overview", "Virtual clusters", "Jobs", "Waste and savings", "Reconciliation", "Data quality"]
DIMENSIONS = {
    "CategoricalDimensionField": {"STRING", "BOOLEAN"},
    "DateDimensionField": {"DATETIME"},
    "NumericalDimensionField": {"INTEGER", "DECIMAL"},
}
MEASURES = {
    "CategoricalMeasureField": {"STRING"},
    "DateMeasureField": {"DATETIME"},
    "NumericalMeasureField": {"INTEGER", "DECIMAL", "FORMULA"},
}
IDS = {"VisualId", "FilterGroupId", "FilterId", "ParameterControlId", "CustomActionId", "SheetTextBoxId"}
FORMULA = re.compile(r"(?:sum|distinct_count|min|max)\(\{(\w+)\}\)|[/*+-]|[()]|\s+")

Found = tuple[str, dict[str, Any]]


@cache
def shipped() -> Story:
    return read_story()


@cache
def types() -> dict[str, dict[str, ColumnType]]:
    return columns(shipped())


@cache
def planned() -> Plan:
    return plan(shipped(), PLACE)


def definition() -> dict[str, Any]:
    found: dict[str, Any] = planned().dashboard["Definition"]
    return found


def below(value: Any, path: str = "") -> Iterator[Found]:
    """Every object of a definition, with the name that it stands under."""
    if isinstance(value, dict):
        yield path, value
        for name, inner in value.items():
            yield from below(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from below(inner, path)


def visuals() -> list[dict[str, Any]]:
    return [inner for sheet in definition()["Sheets"] for visual in sheet["Visuals"] for inner in visual.values()]


def column_types() -> dict[tuple[str, str], str]:
    """The type of every column that a data set has, and FORMULA of every calculated field."""
    found = {
        (sql["Name"], column["Name"]): column["Type"]
        for data_set in planned().data_sets
        for sql in (table["CustomSql"] for table in data_set["PhysicalTableMap"].values())
        for column in sql["Columns"]
    }
    formulas = definition()["CalculatedFields"]
    assert not found.keys() & {(each["DataSetIdentifier"], each["Name"]) for each in formulas}
    return found | {(each["DataSetIdentifier"], each["Name"]): "FORMULA" for each in formulas}


def key(column: dict[str, Any]) -> tuple[str, str]:
    return column["DataSetIdentifier"], column["ColumnName"]


def requests() -> list[tuple[str, dict[str, Any]]]:
    account = {"AwsAccountId": PLACE.account_id}
    schedule = {"DataSetId": "chargeback-costs", "Schedule": planned().refresh}
    return [
        ("CreateDataSource", planned().data_source | account),
        *(("CreateDataSet", data_set | account) for data_set in planned().data_sets),
        ("CreateRefreshSchedule", schedule | account),
        ("CreateDashboard", planned().dashboard | account),
    ]


def test_every_request_is_one_that_quicksights_model_knows() -> None:
    assert [mistake for operation, request in requests() for mistake in mistakes(operation, request)] == []


def test_a_misspelt_word_of_an_enumeration_or_property_would_be_found() -> None:
    [(_, source), *_, (_, dashboard)] = requests()
    assert mistakes("CreateDataSource", source | {"Type": "ATHENAX"})
    assert mistakes("CreateDataSource", source | {"Kind": "ATHENA"})
    visual = {"KPIVisual": {"VisualId": "cost", "Title": {"Visibility": "SHOWN"}}}
    sheet = {"SheetId": "a sheet", "Visuals": [visual]}
    found = mistakes("CreateDashboard", dashboard | {"Definition": dashboard["Definition"] | {"Sheets": [sheet]}})
    assert len(found) == 2
    assert "'SHOWN', none of" in " ".join(found)
    assert "'a sheet', and not" in " ".join(found)


def test_the_sheets_are_those_of_the_story_in_its_order() -> None:
    assert [sheet["Name"] for sheet in definition()["Sheets"]] == SHEETS


def test_every_visual_of_the_story_is_on_its_sheet_in_its_order() -> None:
    for name, sheet in shipped().sheets.items():
        [written] = [each for each in definition()["Sheets"] if each["SheetId"] == f"chargeback-{name}"]
        ids = [inner["VisualId"] for visual in written["Visuals"] for inner in visual.values()]
        assert ids == [f"chargeback-{name}-{visual.id}" for visual in sheet.visuals]


def named(visual_id: str) -> dict[str, Any]:
    [found] = [visual for visual in visuals() if visual["VisualId"] == f"chargeback-{visual_id}"]
    return found


def test_days_and_months_stand_as_columns_and_all_else_lies_as_bars() -> None:
    assert named("overview-days")["ChartConfiguration"]["Orientation"] == "VERTICAL"
    assert named("overview-months")["ChartConfiguration"]["Orientation"] == "VERTICAL"
    assert named("overview-estimated")["ChartConfiguration"]["Orientation"] == "HORIZONTAL"


def test_below_the_title_stands_what_is_so_in_quicksight_alone() -> None:
    assert named("overview-months")["Subtitle"]["FormatText"]["PlainText"].endswith("forecast. Over all months")
    assert named("overview-drill")["Subtitle"]["FormatText"]["PlainText"].endswith("Click on a bar to go down")
    assert named("jobs-trend")["Subtitle"]["FormatText"]["PlainText"] == "The dearest names. Over all months"


def test_only_what_rose_is_an_increase() -> None:
    [group] = [each for each in definition()["FilterGroups"] if each["FilterGroupId"].endswith("increases-positive")]
    [condition] = group["Filters"]
    increase = condition["NumericRangeFilter"]
    assert increase["Column"] == {"DataSetIdentifier": "increases", "ColumnName": "increase"}
    assert (increase["RangeMinimum"], increase["IncludeMinimum"]) == ({"StaticValue": 0.0}, False)
    assert increase["AggregationFunction"] == {"NumericalAggregationFunction": {"SimpleNumericalAggregation": "SUM"}}
    [scope] = group["ScopeConfiguration"]["SelectedSheets"]["SheetVisualScopingConfigurations"]
    assert scope["VisualIds"] == ["chargeback-overview-increases"]


def test_the_releases_of_a_job_stand_one_after_the_other() -> None:
    sort = named("jobs-releases")["ChartConfiguration"]["SortConfiguration"]["RowSort"]
    assert [(each["FieldSort"]["FieldId"].rpartition(".")[2], each["FieldSort"]["Direction"]) for each in sort] == [
        ("workload_name", "ASC"),
        ("first_day", "ASC"),
    ]


def test_the_amounts_of_a_table_are_bars_too_and_counts_are_not() -> None:
    [bars] = named("jobs-names")["ChartConfiguration"]["TableInlineVisualizations"]
    assert bars["DataBars"]["FieldId"] == "chargeback-jobs-names.values.cost"
    assert "TableInlineVisualizations" not in named("data-quality-not-compared")["ChartConfiguration"]


def test_every_column_that_anything_names_is_in_its_data_set() -> None:
    named = {key(each) for _, each in below(definition()) if each.keys() == {"DataSetIdentifier", "ColumnName"}}
    assert len(named) > 50
    assert named - column_types().keys() == set()
    assert {data_set for data_set, _ in named} == {each.removeprefix("chargeback-") for each in data_set_ids()}


def test_every_field_is_of_a_kind_that_its_columns_type_has() -> None:
    types = column_types()
    fields = [found for found in below(definition()) if found[0] in DIMENSIONS | MEASURES]
    assert {kind for kind, _ in fields} == {*DIMENSIONS, *MEASURES} - {"NumericalDimensionField"}
    odd = [
        (kind, field["FieldId"])
        for kind, field in fields
        if types[key(field["Column"])] not in (DIMENSIONS | MEASURES)[kind]
    ]
    assert odd == []
    for kind, field in fields:
        is_formula = types[key(field["Column"])] == "FORMULA"
        assert ("AggregationFunction" in field) == (kind in MEASURES and not is_formula)


def test_a_formula_is_made_of_sums_and_counts_of_columns_that_there_are() -> None:
    types = column_types()
    formulas = definition()["CalculatedFields"]
    assert formulas
    for formula in formulas:
        assert FORMULA.sub("", formula["Expression"]) == ""
        for name in re.findall(r"\{(\w+)\}", formula["Expression"]):
            assert (formula["DataSetIdentifier"], name) in types


def test_every_id_stands_once_and_begins_with_the_products_name() -> None:
    declared = [(name, value) for _, each in below(definition()) for name, value in each.items() if name in IDS]
    declared += [("FieldId", each["FieldId"]) for kind, each in below(definition()) if kind in DIMENSIONS | MEASURES]
    declared += [("SheetId", sheet["SheetId"]) for sheet in definition()["Sheets"]]
    declared += [("DataSetId", data_set_id) for data_set_id in data_set_ids()]
    assert {name for name, _ in declared} == IDS | {"FieldId", "SheetId", "DataSetId"}
    assert [each for each, count in Counter(declared).items() if count > 1] == []
    assert [value for _, value in declared if not value.startswith("chargeback-")] == []


def test_every_field_that_a_sort_an_action_or_a_label_names_is_one_of_its_visual() -> None:
    for visual in visuals():
        fields = {each["FieldId"] for kind, each in below(visual) if kind in DIMENSIONS | MEASURES}
        named = {
            value for _, each in below(visual) for name, value in each.items() if name in {"FieldId", "SourceField"}
        }
        assert named == fields, visual["VisualId"]


def test_every_visual_has_a_title_and_says_of_what_it_is() -> None:
    assert len(visuals()) >= 30
    assert [visual["VisualId"] for visual in visuals() if not visual["Title"]["FormatText"]["PlainText"].strip()] == []
    assert all(sheet["Description"].endswith("?") for sheet in definition()["Sheets"])


def test_every_visual_and_control_lies_on_its_sheet_once_and_none_on_another() -> None:
    for sheet in definition()["Sheets"]:
        [layout] = sheet["Layouts"]
        placed = layout["Configuration"]["GridLayout"]["Elements"]
        ids = [inner["VisualId"] for visual in sheet["Visuals"] for inner in visual.values()]
        assert sorted(e["ElementId"] for e in placed) == sorted(
            [*ids, *(b["SheetTextBoxId"] for b in sheet["TextBoxes"])]
        )
        cells = Counter(
            (column, row)
            for element in placed
            for column in range(element["ColumnIndex"], element["ColumnIndex"] + element["ColumnSpan"])
            for row in range(element["RowIndex"], element["RowIndex"] + element["RowSpan"])
        )
        assert max(cells.values()) == 1
        assert max(column for column, _ in cells) < 36
        [controls] = sheet["SheetControlLayouts"]
        laid = {element["ElementId"] for element in controls["Configuration"]["GridLayout"]["Elements"]}
        there = {inner["ParameterControlId"] for control in sheet["ParameterControls"] for inner in control.values()}
        assert laid == there


def test_every_parameter_that_anything_names_is_declared_and_each_has_its_control() -> None:
    declared = {inner["Name"] for each in definition()["ParameterDeclarations"] for inner in each.values()}
    named = {
        value
        for _, each in below(definition())
        for name, value in each.items()
        if name in {"ParameterName", "SourceParameterName", "DestinationParameterName"}
    }
    controlled = {each["SourceParameterName"] for _, each in below(definition()) if "SourceParameterName" in each}
    assert declared == named == controlled
    assert {"Month", "Cluster", "CostCenter"} <= declared


def test_a_filter_holds_for_visuals_of_its_data_set_on_sheets_that_have_its_control() -> None:
    of_visual = {
        inner["VisualId"]: {each["DataSetIdentifier"] for _, each in below(inner) if "ColumnName" in each}
        for inner in visuals()
    }
    controls = {
        sheet["SheetId"]: {
            inner["SourceParameterName"] for control in sheet["ParameterControls"] for inner in control.values()
        }
        for sheet in definition()["Sheets"]
    }
    for group in definition()["FilterGroups"]:
        [condition] = group["Filters"]
        [inner] = condition.values()
        parameters = {each["ParameterName"] for _, each in below(inner) if "ParameterName" in each}
        for scope in group["ScopeConfiguration"]["SelectedSheets"]["SheetVisualScopingConfigurations"]:
            assert parameters <= controls[scope["SheetId"]]
            for visual in scope["VisualIds"]:
                assert visual.startswith(f"{scope['SheetId']}-")
                assert of_visual[visual] == {inner["Column"]["DataSetIdentifier"]}


def test_on_every_sheet_each_visual_follows_the_filters_or_says_which_it_does_not() -> None:
    filtered = Counter(
        visual
        for group in definition()["FilterGroups"]
        if any("ParameterName" in each for _, each in below(group))
        for scope in group["ScopeConfiguration"]["SelectedSheets"]["SheetVisualScopingConfigurations"]
        for visual in scope["VisualIds"]
    )
    for name, sheet in shipped().sheets.items():
        for visual in sheet.visuals:
            expected = len(sheet.filters) - len(visual.without)
            assert filtered[f"chargeback-{name}-{visual.id}"] == expected


def test_a_click_leads_to_a_sheet_that_has_the_filters_which_it_sets() -> None:
    sheets = {sheet["SheetId"]: sheet for sheet in definition()["Sheets"]}
    actions = [each for _, each in below(definition()) if "ActionOperations" in each]
    assert {(a["Name"]) for a in actions} >= {
        "Show its virtual clusters",
        "Show its jobs",
        "Show this job",
        "Only this run",
    }
    for action in actions:
        go, setting = action["ActionOperations"]
        target = sheets[go["NavigationOperation"]["LocalNavigationConfiguration"]["TargetSheetId"]]
        controls = {
            inner["SourceParameterName"] for control in target["ParameterControls"] for inner in control.values()
        }
        sets = setting["SetParametersOperation"]["ParameterValueConfigurations"]
        assert {each["DestinationParameterName"] for each in sets} <= controls


def test_one_can_drill_from_cost_center_to_virtual_cluster_to_job_to_pod() -> None:
    [hierarchy] = [inner for path, inner in below(definition()) if path == "ExplicitHierarchy"]
    levels = [column["ColumnName"] for column in hierarchy["Columns"]]
    assert levels == ["cost_center", "virtual_cluster", "workload_name", "workload_id", "pod"]
    assert [each for _, each in below(visuals()) if each.get("HierarchyId") == hierarchy["HierarchyId"]]


def test_no_data_set_reads_the_bill_but_the_reconciliation() -> None:
    reads = {view.name: relations_read(view.template) for view in views("cur2")}

    def everything(name: str) -> set[str]:
        return {name}.union(*(everything(below) for below in reads.get(name, ())))

    by_data_set = {
        name: {below for relation in relations_read(select) for below in everything(relation)}
        for name, select in shipped().selects.items()
    }
    assert {name for name, read in by_data_set.items() if "cur_lines" in read} == {"reconciliation"}
    assert relations_read(shipped().selects["reconciliation"]) == {"bill_reconciliation"}


def test_every_data_set_says_its_grain_and_names_its_days() -> None:
    assert all(shipped().grains.values())
    for name, select in shipped().selects.items():
        assert "current_date" in select, name


def test_the_sql_names_the_database_of_all_that_it_reads_and_is_else_as_it_was() -> None:
    select = "WITH days AS (SELECT 1 AS a FROM costs)\nSELECT a FROM days\nLEFT JOIN costs ON TRUE -- FROM here"
    assert asked_of(select, "db_1") == select.replace(" costs", ' "db_1"."costs"')
    for data_set in planned().data_sets:
        [table] = data_set["PhysicalTableMap"].values()
        assert relations_read(table["CustomSql"]["SqlQuery"]) <= read_by(shipped())
        assert len(re.findall(r'"chargeback"\."', table["CustomSql"]["SqlQuery"])) >= 1


def test_a_second_database_has_ids_of_its_own() -> None:
    other = plan(shipped(), Place("aws", "us-east-1", "111122223333", "spark_costs", "spark", None))
    assert other.dashboard["DashboardId"] == "chargeback-spark_costs"
    assert {data_set["DataSetId"] for data_set in other.data_sets}.isdisjoint(data_set_ids())
    assert "RoleArn" not in other.data_source["DataSourceParameters"]["AthenaParameters"]


def data_set_ids() -> list[str]:
    return [data_set["DataSetId"] for data_set in planned().data_sets]


def changed(visual: dict[str, Any]) -> Story:
    """The dashboard with the first visual of its first sheet changed."""
    sheet = shipped().sheets["overview"]
    first, *others = sheet.visuals
    changed = msgspec.structs.replace(first, **visual)
    sheets = {**shipped().sheets, "overview": msgspec.structs.replace(sheet, visuals=(changed, *others))}
    return msgspec.structs.replace(shipped(), sheets=sheets)


@pytest.mark.parametrize(
    ("visual", "complaint"),
    [
        ({"data_set": "weeks"}, "there is no data set weeks"),
        ({"values": ("price",)}, "months has no measure price"),
        ({"kind": "table", "rows": ("pod",)}, "months has no column pod"),
        ({"without": ("run",)}, "cost is without run"),
        ({"data_set": "coverage", "values": ("hours",)}, "no column for the filter cost-center"),
        ({"action": Action(title="Go", to="costs", sets={})}, "there is no sheet costs"),
        ({"action": Action(title="Go", to="jobs", sets={"team": "month"})}, "cannot set the filter team"),
        ({"action": Action(title="Go", to="jobs", sets={"month": "month"})}, "cannot set the filter month"),
        ({"positive": True, "values": ("change_share",)}, "only sums of a column can be positive"),
        ({"only": {"reason": ("headroom",)}}, "months has no column reason"),
    ],
)
def test_a_visual_that_names_what_there_is_not_is_refused(visual: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        Definition(changed(visual), types(), "chargeback").written({})


def test_a_word_that_means_nothing_is_refused() -> None:
    text = 'id = "a"\nkind = "pie"\ntitle = "A"\ndata_set = "costs"\nvalues = ["cost"]\n'
    with pytest.raises(msgspec.ValidationError, match="pie"):
        msgspec.toml.decode(text, type=Visual)
    with pytest.raises(msgspec.ValidationError, match="colour"):
        msgspec.toml.decode(text.replace("pie", "bar") + 'colour = "red"\n', type=Visual)
