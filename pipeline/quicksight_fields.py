"""How columns and measures of a data set are written as the fields of QuickSight's visuals."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.errors import ConfigurationError
from pipeline.quicksight_files import DataSet, Form, Measure

Spec = dict[str, Any]
"""A part of a request to QuickSight, as JSON."""

ColumnType = Literal["STRING", "INTEGER", "DECIMAL", "DATETIME", "BOOLEAN"]

_AGGREGATE = re.compile(r"(?P<function>sum|min|max|average|distinct_count)\((?P<column>\w+)\)")
_COLUMN = re.compile(r"\{(\w+)\}")
_DECIMALS: Mapping[Form, int] = {"amount": 2, "price": 4, "count": 0, "hours": 1, "share": 1}


@dataclass(frozen=True)
class Fields:
    """What a data set offers visuals: its *identifier*, its *columns* and their types, and what is *known* of it."""

    identifier: str
    columns: Mapping[str, ColumnType]
    known: DataSet

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
        if name not in self.known.measures:
            raise ConfigurationError(f"dashboards/: the data set {self.identifier} has no measure {name}")
        return self.known.measures[name]

    def formulas(self) -> Iterator[Spec]:
        """The measures that are more than one sum, as calculated fields called like their labels."""
        for measure in self.known.measures.values():
            if _AGGREGATE.fullmatch(measure.of):
                continue
            for name in _COLUMN.findall(measure.of):
                self.column(name)
            yield {"DataSetIdentifier": self.identifier, "Name": measure.label, "Expression": measure.of}


def label(column: str) -> str:
    """A column's name as people read it."""
    return column.replace("_", " ").capitalize()


def dimension(fields: Fields, column: str, field_id: str, hierarchy: str | None = None) -> Spec:
    """The field that groups by *column*: by day if it is a date, by month if it is called so."""
    field: Spec = {"FieldId": field_id, "Column": fields.column(column)}
    if hierarchy:
        field["HierarchyId"] = hierarchy
    match fields.columns[column]:
        case "DATETIME":
            return {"DateDimensionField": field | {"DateGranularity": "MONTH" if column == "month" else "DAY"}}
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
    simple = _AGGREGATE.fullmatch(measure.of)
    if simple is None:
        column = {"DataSetIdentifier": fields.identifier, "ColumnName": measure.label}
        return {"NumericalMeasureField": {"FieldId": field_id, "Column": column, "FormatConfiguration": _form(measure)}}
    column, function = fields.column(simple["column"]), simple["function"].upper()
    field: Spec = {"FieldId": field_id, "Column": column}
    match fields.columns[simple["column"]], function:
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


def shown_column(field: Spec) -> Spec:
    """The column that a field is about."""
    [inner] = field.values()
    column: Spec = inner["Column"]
    return column


def _form(measure: Measure) -> Spec:
    """How figures are written; amounts have no sign of a currency, for it is the bill's."""
    places = {"DecimalPlacesConfiguration": {"DecimalPlaces": _DECIMALS[measure.form]}}
    if measure.form == "share":
        return {"FormatConfiguration": {"PercentageDisplayFormatConfiguration": places}}
    separator = {
        "DecimalSeparator": "DOT",
        "ThousandsSeparator": {"Symbol": "COMMA", "Visibility": "VISIBLE"},
    }
    number = {**places, "SeparatorConfiguration": separator, "NumberScale": "NONE"}
    return {"FormatConfiguration": {"NumberDisplayFormatConfiguration": number}}
