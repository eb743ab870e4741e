"""How each kind of visual is written in QuickSight's words."""

from collections.abc import Iterator, Mapping, Sequence

from pipeline.errors import ConfigurationError
from pipeline.quicksight_fields import Fields, Spec, dimension, figure, shown_column
from pipeline.story import Action, Filter, Visual


def written(visual: Visual, visual_id: str, fields: Fields, action: Spec | None) -> Spec:
    """One visual of a sheet's definition.

    Source: https://docs.aws.amazon.com/quicksight/latest/APIReference/API_Visual.html

    Raises:
        ConfigurationError: it names a column or a measure that its data set has not.
    """
    written_of = {"kpi": _kpi, "bar": _bar, "line": _line, "table": _table, "pivot": _pivot}[visual.kind]
    kind, chart = written_of(visual, visual_id, fields)
    spec: Spec = {
        "VisualId": visual_id,
        "Title": {"Visibility": "VISIBLE", "FormatText": {"PlainText": visual.title}},
        "Subtitle": {"Visibility": "HIDDEN"},
        "ChartConfiguration": chart,
    }
    if said := ". ".join(_said(visual)):
        spec["Subtitle"] = {"Visibility": "VISIBLE", "FormatText": {"PlainText": said}}
    if visual.drill:
        columns = [fields.column(name) for name in (visual.rows[0], *visual.drill)]
        hierarchy = {"HierarchyId": _hierarchy(visual_id), "Columns": columns, "DrillDownFilters": []}
        spec["ColumnHierarchies"] = [{"ExplicitHierarchy": hierarchy}]
    if action:
        spec["Actions"] = [action]
    return {kind: spec}


def _said(visual: Visual) -> Iterator[str]:
    """What stands below the title: what the story says, and what is so in QuickSight alone."""
    if visual.says:
        yield visual.says
    if visual.all_months:
        yield "Over all months"
    if visual.drill:
        yield "Click on a bar to go down"


def written_action(action: Action, visual: Visual, visual_id: str, filters: Mapping[str, Filter], sheet: str) -> Spec:
    """What a click offers; *sheet* is the ID of the one that it goes to, which may be its own.

    Source: https://docs.aws.amazon.com/quicksight/latest/APIReference/API_VisualCustomAction.html

    Raises:
        ConfigurationError: it sets a filter that there is not, or to a column that the visual does not show.
    """
    sets = []
    for name, column in action.sets.items():
        if name not in filters or column not in visual.rows:
            raise ConfigurationError(f"dashboards/: {visual_id} cannot set the filter {name} to its column {column}")
        value = {"SourceField": _field_id(visual_id, column)}
        sets.append({"DestinationParameterName": filters[name].parameter, "Value": value})
    operations = [
        {"NavigationOperation": {"LocalNavigationConfiguration": {"TargetSheetId": sheet}}},
        {"SetParametersOperation": {"ParameterValueConfigurations": sets}},
    ]
    return {
        "CustomActionId": f"{visual_id}-action",
        "Name": action.title,
        "Status": "ENABLED",
        "Trigger": "DATA_POINT_MENU",
        "ActionOperations": operations,
    }


def _kpi(visual: Visual, visual_id: str, fields: Fields) -> tuple[str, Spec]:
    wells: Spec = {"Values": _figures(visual.values, visual_id, fields)}
    options: Spec = {"PrimaryValueDisplayType": "ACTUAL"}
    if visual.target:
        wells["TargetValues"] = _figures([visual.target], visual_id, fields)
        options["Comparison"] = {"ComparisonMethod": "PERCENT_DIFFERENCE"}
    return "KPIVisual", {"FieldWells": wells, "KPIOptions": options}


def _bar(visual: Visual, visual_id: str, fields: Fields) -> tuple[str, Spec]:
    wells = _wells(visual, visual_id, fields)
    sort: Spec = {"CategorySort": [_first(visual, visual_id, fields)]}
    if visual.top:
        sort["CategoryItemsLimit"] = {"ItemsLimit": visual.top, "OtherCategories": "EXCLUDE"}
    chart = {
        "FieldWells": {"BarChartAggregatedFieldWells": wells},
        "SortConfiguration": sort,
        "Orientation": "VERTICAL" if visual.over_time else "HORIZONTAL",
        "BarsArrangement": "STACKED",
        "CategoryLabelOptions": _axis(wells["Category"], [fields.label(visual.rows[0])]),
        "ValueLabelOptions": _axis(wells["Values"], _labels(visual.values, fields)),
    }
    return "BarChartVisual", chart


def _line(visual: Visual, visual_id: str, fields: Fields) -> tuple[str, Spec]:
    wells = _wells(visual, visual_id, fields)
    sort: Spec = {"CategorySort": [_first(visual, visual_id, fields)]}
    if visual.top and visual.by:
        sort["ColorItemsLimitConfiguration"] = {"ItemsLimit": visual.top, "OtherCategories": "EXCLUDE"}
    chart = {
        "FieldWells": {"LineChartAggregatedFieldWells": wells},
        "SortConfiguration": sort,
        "Type": "LINE",
        "XAxisLabelOptions": _axis(wells["Category"], [fields.label(visual.rows[0])]),
        "PrimaryYAxisLabelOptions": _axis(wells["Values"], _labels(visual.values, fields)),
    }
    return "LineChartVisual", chart


def _table(visual: Visual, visual_id: str, fields: Fields) -> tuple[str, Spec]:
    groups, values = _dimensions(visual.rows, visual_id, fields), _figures(visual.values, visual_id, fields)
    chart: Spec = {
        "FieldWells": {"TableAggregatedFieldWells": {"GroupBy": groups, "Values": values}},
        "SortConfiguration": {"RowSort": _row_sort(visual, visual_id)},
        "FieldOptions": _field_options(visual, visual_id, fields),
    }
    if fields.measure(visual.values[0]).form == "amount":
        chart["TableInlineVisualizations"] = [{"DataBars": {"FieldId": _figure_id(visual_id, visual.values[0])}}]
    return "TableVisual", chart


def _row_sort(visual: Visual, visual_id: str) -> list[Spec]:
    if visual.follows is None:
        return [_largest(visual, visual_id)]
    order = [_field_id(visual_id, visual.rows[0]), _figure_id(visual_id, visual.follows)]
    return [{"FieldSort": {"FieldId": field, "Direction": "ASC"}} for field in order]


def _pivot(visual: Visual, visual_id: str, fields: Fields) -> tuple[str, Spec]:
    wells = {
        "Rows": _dimensions(visual.rows, visual_id, fields),
        "Columns": _dimensions(visual.by, visual_id, fields),
        "Values": _figures(visual.values, visual_id, fields),
    }
    chart = {
        "FieldWells": {"PivotTableAggregatedFieldWells": wells},
        "FieldOptions": _field_options(visual, visual_id, fields),
    }
    return "PivotTableVisual", chart


def _wells(visual: Visual, visual_id: str, fields: Fields) -> Spec:
    hierarchy = _hierarchy(visual_id) if visual.drill else None
    wells: Spec = {
        "Category": _dimensions(visual.rows, visual_id, fields, hierarchy),
        "Values": _figures(visual.values, visual_id, fields),
    }
    if visual.by:
        wells["Colors"] = _dimensions(visual.by, visual_id, fields)
    return wells


def _dimensions(names: Sequence[str], visual_id: str, fields: Fields, hierarchy: str | None = None) -> list[Spec]:
    return [dimension(fields, name, _field_id(visual_id, name), hierarchy) for name in names]


def _figures(names: Sequence[str], visual_id: str, fields: Fields) -> list[Spec]:
    return [figure(fields, name, _figure_id(visual_id, name)) for name in names]


def _first(visual: Visual, visual_id: str, fields: Fields) -> Spec:
    """Days and months in their order; all else with the largest first."""
    row = visual.rows[0]
    if fields.columns[row] == "DATETIME":
        return {"FieldSort": {"FieldId": _field_id(visual_id, row), "Direction": "ASC"}}
    return _largest(visual, visual_id)


def _largest(visual: Visual, visual_id: str) -> Spec:
    field = _figure_id(visual_id, visual.sort or visual.values[0])
    return {"FieldSort": {"FieldId": field, "Direction": "DESC"}}


def _axis(fields: list[Spec], labels: Sequence[str]) -> Spec:
    options = []
    for field, text in zip(fields, labels, strict=True):
        [inner] = field.values()
        apply_to = {"FieldId": inner["FieldId"], "Column": shown_column(field)}
        options.append({"CustomLabel": text, "ApplyTo": apply_to})
    return {"Visibility": "VISIBLE", "AxisLabelOptions": options}


def _labels(names: Sequence[str], fields: Fields) -> list[str]:
    return [fields.measure(name).label for name in names]


def _field_options(visual: Visual, visual_id: str, fields: Fields) -> Spec:
    columns = [
        {"FieldId": _field_id(visual_id, name), "CustomLabel": fields.label(name)} for name in visual.rows + visual.by
    ]
    values = [
        {"FieldId": _figure_id(visual_id, name), "CustomLabel": fields.measure(name).label} for name in visual.values
    ]
    return {"SelectedFieldOptions": [*columns, *values]}


def _hierarchy(visual_id: str) -> str:
    return f"{visual_id}-hierarchy"


def _field_id(visual_id: str, column: str) -> str:
    return f"{visual_id}.{column}"


def _figure_id(visual_id: str, measure: str) -> str:
    return f"{visual_id}.values.{measure}"
