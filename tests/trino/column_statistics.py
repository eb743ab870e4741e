"""The answers of Glue that Trino's writes need and moto lacks: that there are no column statistics."""

import json

from moto.glue.responses import GlueResponse

_NONE_FOUND = json.dumps({"ColumnStatisticsList": [], "Errors": []})
_NONE_REFUSED = json.dumps({"Errors": []})


def install() -> None:
    """Have the moto servers of this process answer what is asked on CREATE TABLE, CTAS and INSERT."""
    for of in ("table", "partition"):
        _answer(f"get_column_statistics_for_{of}", _NONE_FOUND)
        _answer(f"update_column_statistics_for_{of}", _NONE_REFUSED)
        _answer(f"delete_column_statistics_for_{of}", "{}")


def _answer(action: str, answer: str) -> None:
    def answered(_response: GlueResponse) -> str:
        return answer

    setattr(GlueResponse, action, answered)
