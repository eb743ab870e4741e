"""How the whole story is written in QuickSight's words: sheets, layout, filters and parameters."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.errors import ConfigurationError
from pipeline.quicksight_fields import ColumnType, Fields, Spec, above_nothing
from pipeline.quicksight_visuals import written, written_action
from pipeline.story import Filter, Sheet, Story, Visual

_GRID = 36
"""Columns of QuickSight's grid."""

_CANVAS = {"ScreenCanvasSizeOptions": {"ResizeOption": "FIXED", "OptimizedViewPortWidth": "1600px"}}
_CONTROL = {"width": 6, "height": 3}


@dataclass(frozen=True)
class Definition:
    """How a *story* becomes QuickSight's definition; every ID begins with *prefix*."""

    story: Story
    columns: Mapping[str, Mapping[str, ColumnType]]
    prefix: str

    def written(self, arns: Mapping[str, str]) -> Spec:
        """The definition over the data sets whose *arns* are given by name.

        Source: https://docs.aws.amazon.com/quicksight/latest/APIReference/API_DashboardVersionDefinition.html

        Raises:
            ConfigurationError: something names what there is not: a column, a measure, a filter, a sheet.
        """
        return {
            "DataSetIdentifierDeclarations": [{"Identifier": name, "DataSetArn": arn} for name, arn in arns.items()],
            "CalculatedFields": [formula for name in self.columns for formula in self._fields(name).formulas()],
            "ParameterDeclarations": [_parameter(each) for each in self.story.filters.values()],
            "FilterGroups": [*self._filter_groups(), *self._fixed_filters(), *self._positive_filters()],
            "Sheets": [self._sheet(name, sheet) for name, sheet in self.story.sheets.items()],
            "Options": {"WeekStart": "MONDAY", "Timezone": "UTC"},
        }

    def _fields(self, name: str) -> Fields:
        self.story.data_set(name)  # or it says that there is none
        return Fields(name, self.columns[name], self.story)

    def _sheet_id(self, name: str) -> str:
        if name not in self.story.sheets:
            raise ConfigurationError(f"dashboards/: there is no sheet {name}")
        return f"{self.prefix}-{name}"

    def _filter(self, name: str) -> Filter:
        if name not in self.story.filters:
            raise ConfigurationError(f"dashboards/: there is no filter {name}")
        return self.story.filters[name]

    def _sheet(self, name: str, sheet: Sheet) -> Spec:
        sheet_id = self._sheet_id(name)
        controls = [self._control(sheet_id, each) for each in sheet.filters]
        sizes = [(f"{sheet_id}-filter-{each}", _CONTROL["width"], _CONTROL["height"]) for each in sheet.filters]
        visuals = [(f"{sheet_id}-{visual.id}", visual.width, visual.height) for visual in sheet.visuals]
        question = f"{sheet_id}-question"
        return {
            "SheetId": sheet_id,
            "Name": sheet.title,
            "Description": sheet.question,
            "ContentType": "INTERACTIVE",
            "ParameterControls": controls,
            "SheetControlLayouts": [_grid("PARAMETER_CONTROL", sizes)],
            "TextBoxes": [{"SheetTextBoxId": question, "Content": f"<text-box><b>{sheet.question}</b></text-box>"}],
            "Visuals": [self._visual(name, visual) for visual in sheet.visuals],
            "Layouts": [_page(question, visuals)],
        }

    def _visual(self, sheet: str, visual: Visual) -> Spec:
        visual_id = f"{self._sheet_id(sheet)}-{visual.id}"
        action = None
        if visual.action:
            target = self._sheet_id(visual.action.to)
            action = written_action(visual.action, visual, visual_id, self.story.filters, target)
        return written(visual, visual_id, self._fields(visual.data_set), action)

    def _control(self, sheet_id: str, name: str) -> Spec:
        what = self._filter(name)
        control: Spec = {
            "ParameterControlId": f"{sheet_id}-filter-{name}",
            "Title": what.title,
            "SourceParameterName": what.parameter,
        }
        if what.values is None:
            return {"DateTimePicker": control | {"DisplayOptions": {"DateTimeFormat": "YYYY-MM"}}}
        values = {"LinkToDataSetColumn": self._fields(what.values).column(what.column)}
        return {"Dropdown": control | {"Type": "MULTI_SELECT", "SelectableValues": values}}

    def _filter_groups(self) -> Iterator[Spec]:
        """One group for each filter and data set that it holds for, over just the visuals that it holds for."""
        scopes: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for sheet_name, sheet in self.story.sheets.items():
            for visual in sheet.visuals:
                for name in self._filters_of(sheet, visual):
                    sheet_id = self._sheet_id(sheet_name)
                    scopes[name, visual.data_set][sheet_id].append(f"{sheet_id}-{visual.id}")
        for (name, data_set), scope in sorted(scopes.items()):
            column = self._filtered_column(name, data_set)
            yield self._group(f"{name}-{data_set}", self._comparison(name, data_set, column), scope)

    def _fixed_filters(self) -> Iterator[Spec]:
        for sheet_name, sheet in self.story.sheets.items():
            for visual in sheet.visuals:
                for column, values in visual.only.items():
                    what = {"Column": self._fields(visual.data_set).column(column)}
                    listed = {"MatchOperator": "CONTAINS", "CategoryValues": list(values)}
                    how = {"Configuration": {"FilterListConfiguration": listed}}
                    sheet_id = self._sheet_id(sheet_name)
                    scope = {sheet_id: [f"{sheet_id}-{visual.id}"]}
                    yield self._group(f"{sheet_name}-{visual.id}-{column}", {"CategoryFilter": {**what, **how}}, scope)

    def _positive_filters(self) -> Iterator[Spec]:
        """Only sums above nothing, where a visual asks for that."""
        for sheet_name, sheet in self.story.sheets.items():
            for visual in sheet.visuals:
                if visual.positive:
                    sheet_id = self._sheet_id(sheet_name)
                    range_filter = above_nothing(self._fields(visual.data_set), visual.values[0])
                    scope = {sheet_id: [f"{sheet_id}-{visual.id}"]}
                    yield self._group(f"{sheet_name}-{visual.id}-positive", {"NumericRangeFilter": range_filter}, scope)

    def _filters_of(self, sheet: Sheet, visual: Visual) -> list[str]:
        if odd := set(visual.without) - set(sheet.filters):
            raise ConfigurationError(f"dashboards/: {visual.id} is without {', '.join(sorted(odd))}, as its sheet is")
        return [name for name in sheet.filters if name not in visual.without]

    def _filtered_column(self, name: str, data_set: str) -> str:
        what, columns = self._filter(name), self._fields(data_set).columns
        for column in (what.column, what.instead):
            if column in columns:
                return str(column)
        raise ConfigurationError(
            f"dashboards/: the data set {data_set} has no column for the filter {name}; show it without that filter"
        )

    def _comparison(self, name: str, data_set: str, column: str) -> Spec:
        what = self._filter(name)
        compared = {"Column": self._fields(data_set).column(column)}
        if what.values is None:
            return {"TimeEqualityFilter": {**compared, "ParameterName": what.parameter, "TimeGranularity": "MONTH"}}
        equal = {"MatchOperator": "EQUALS", "ParameterName": what.parameter, "NullOption": "NON_NULLS_ONLY"}
        return {"CategoryFilter": {**compared, "Configuration": {"CustomFilterConfiguration": equal}}}

    def _group(self, name: str, condition: Spec, scope: Mapping[str, list[str]]) -> Spec:
        [(kind, inner)] = condition.items()
        sheets = [
            {"SheetId": sheet, "Scope": "SELECTED_VISUALS", "VisualIds": visuals} for sheet, visuals in scope.items()
        ]
        return {
            "FilterGroupId": f"{self.prefix}-{name}",
            "Filters": [{kind: {"FilterId": f"{self.prefix}-{name}-filter", **inner}}],
            "ScopeConfiguration": {"SelectedSheets": {"SheetVisualScopingConfigurations": sheets}},
            "Status": "ENABLED",
            "CrossDataset": "SINGLE_DATASET",
        }


def _parameter(what: Filter) -> Spec:
    """The month that runs, and all values of everything else, until somebody chooses."""
    if what.values is None:
        this_month = {"RollingDate": {"Expression": "truncDate('MM', now())"}}
        return {
            "DateTimeParameterDeclaration": {
                "Name": what.parameter,
                "TimeGranularity": "MONTH",
                "DefaultValues": this_month,
            }
        }
    return {
        "StringParameterDeclaration": {
            "Name": what.parameter,
            "ParameterValueType": "MULTI_VALUED",
            "DefaultValues": {},
            "ValueWhenUnset": {"ValueWhenUnsetOption": "RECOMMENDED_VALUE"},
        }
    }


def _page(question: str, visuals: Iterable[tuple[str, int, int]]) -> Spec:
    """The sheet's question over all its width, and the visuals below it."""
    head = _element("TEXT_BOX", question, (0, 0), (_GRID, 2))
    return _layout([head, *_placed("VISUAL", visuals, 2)])


def _grid(kind: str, sizes: Iterable[tuple[str, int, int]]) -> Spec:
    return _layout(list(_placed(kind, sizes, 0)))


def _layout(elements: list[Spec]) -> Spec:
    return {"Configuration": {"GridLayout": {"Elements": elements, "CanvasSizeOptions": _CANVAS}}}


def _placed(kind: str, sizes: Iterable[tuple[str, int, int]], top: int) -> Iterator[Spec]:
    """Side by side from the left, and into the next row where there is no room; a row is as high as its highest."""
    left, height = 0, 0
    for element_id, wide, high in sizes:
        if left + wide > _GRID:
            left, top, height = 0, top + height, 0
        yield _element(kind, element_id, (left, top), (wide, high))
        left, height = left + wide, max(height, high)


def _element(kind: str, element_id: str, place: tuple[int, int], size: tuple[int, int]) -> Spec:
    return {
        "ElementId": element_id,
        "ElementType": kind,
        "ColumnIndex": place[0],
        "RowIndex": place[1],
        "ColumnSpan": size[0],
        "RowSpan": size[1],
    }
