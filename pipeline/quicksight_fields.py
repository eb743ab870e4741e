"""How columns and measures of a data set are written as the fields of QuickSight's visuals."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.errors import ConfigurationError
from pipeline.formula import Aggregate, Formula, columns
from pipeline.story import DECIMALS, MONTH, Measure, Story

Spec = dict[str, Any]
"""A part of a request to QuickSight, as JSON."""

ColumnType = Literal["STRING", "INTEGER", "DECIMAL", "DATETIME", "BOOLEAN"]


@dataclass(frozen=True)
class Fields:
    """What a data set offers visuals: its *identifier*, its *columns* and their types, what the *story* says of it."""

    identifier: str
    columns: Mapping[str, ColumnType]
    story: Story

    def column(self, name: str) -> Spec:
        """Which column it is.

        Raises:
            ConfigurationError: there is none.
        """
        if name not in self.columns:
            raise ConfigurationError(f"dashboards/: the data set {self.identifier} has no column {name}")
        return {"DataSetIdentifier": self.identifier, "ColumnName": name}

    def measure(self, name: str) -> Measure:
        """The measure of that name.

        Raises:
            ConfigurationError: there is none.
        """
        return self.story.measure(self.identifier, name)

    def label(self, column: str) -> str:
        """What a column is called."""
        return self.story.label(column)

    def formulas(self) -> Iterator[Spec]:
        """The measures that are more than one sum, as calculated fields called like their labels."""
        for measure in self.story.data_set(self.identifier).measures.values():
            if isinstance(measure.formula, Aggregate):
                continue
            for name in columns(measure.formula):
                self.column(name)
            expression = _expression(measure.formula)
            yield {"DataSetIdentifier": self.identifier, "Name": measure.label, "Expression": expression}


def dimension(fields: Fields, column: str, field_id: str, hierarchy: str | None = None) -> Spec:
    """The field that groups by *column*: by day if it is a date, by month if it is called so."""
    field: Spec = {"FieldId": field_id, "Column": fields.column(column)}
    if hierarchy:
        field["HierarchyId"] = hierarchy
    match fields.columns[column]:
        case "DATETIME":
            return {"DateDimensionField": field | {"DateGranularity": "MONTH" if column == MONTH else "DAY"}}
        case "INTEGER" | "DECIMAL":
            return {"NumericalDimensionField": field}
        case _:
            return {"CategoricalDimensionField": field}


def figure(fields: Fields, name: str, field_id: str) -> Spec:
    """The field that shows the measure *name*.

    Raises:
        ConfigurationError: there is no such measure, or it asks of a column what its type has not.
    """
    measure = fields.measure(name)
    simple = measure.formula
    if not isinstance(simple, Aggregate):
        column = {"DataSetIdentifier": fields.identifier, "ColumnName": measure.label}
        return {"NumericalMeasureField": {"FieldId": field_id, "Column": column, "FormatConfiguration": _form(measure)}}
    column, function = fields.column(simple.column), simple.function.upper()
    field: Spec = {"FieldId": field_id, "Column": column}
    match fields.columns[simple.column], function:
        case "DATETIME", "MIN" | "MAX":
            return {"DateMeasureField": field | {"AggregationFunction": function}}
        case "STRING", "DISTINCT_COUNT":
            return {"CategoricalMeasureField": field | {"AggregationFunction": function}}
        case "INTEGER" | "DECIMAL", _:
            how = {"SimpleNumericalAggregation": function}
            return {
                "NumericalMeasureField": field | {"AggregationFunction": how, "FormatConfiguration": _form(measure)}
            }
        case kind, _:
            raise ConfigurationError(f"dashboards/: {fields.identifier} cannot give {measure.of} of a {kind} column")


def above_nothing(fields: Fields, name: str) -> Spec:
    """The filter that keeps what has more than 0 of the measure *name*, a sum.

    Raises:
        ConfigurationError: there is no such measure, or it is no sum of a column.
    """
    match fields.measure(name).formula:
        case Aggregate("sum", column):
            return {
                "Column": fields.column(column),
                "RangeMinimum": {"StaticValue": 0.0},
                "IncludeMinimum": False,
                "AggregationFunction": {"NumericalAggregationFunction": {"SimpleNumericalAggregation": "SUM"}},
                "NullOption": "NON_NULLS_ONLY",
            }
    raise ConfigurationError(f"dashboards/: only sums of a column can be positive, and {name} is none")


def shown_column(field: Spec) -> Spec:
    """The column that a field is about."""
    [inner] = field.values()
    column: Spec = inner["Column"]
    return column


def _expression(of: Formula, *, inner: bool = False) -> str:
    """A formula in QuickSight's words."""
    if isinstance(of, Aggregate):
        return f"{of.function}({{{of.column}}})"
    text = f"{_expression(of.left, inner=True)} {of.operator} {_expression(of.right, inner=True)}"
    return f"({text})" if inner else text


def _form(measure: Measure) -> Spec:
    """How figures are written; amounts have no sign of a currency, for it is the bill's."""
    places = {"DecimalPlacesConfiguration": {"DecimalPlaces": DECIMALS[measure.form]}}
    if measure.form in ("share", "change"):
        return {"FormatConfiguration": {"PercentageDisplayFormatConfiguration": places}}
    separator = {
        "DecimalSeparator": "DOT",
        "ThousandsSeparator": {"Symbol": "COMMA", "Visibility": "VISIBLE"},
    }
    number = {**places, "SeparatorConfiguration": separator, "NumberScale": "NONE"}
    return {"FormatConfiguration": {"NumberDisplayFormatConfiguration": number}}
