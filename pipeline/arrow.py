"""How Arrow is kept from loading pandas, for which collecting has no use."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

import pyarrow as pa


def without_pandas() -> None:
    """Let Arrow look for pandas now, once and in vain; a process that has loaded pandas keeps it.

    To tell a Series from a list, Arrow imports pandas before its first conversion: 34 MB, and 0.2 s of each run.
    Source: https://github.com/apache/arrow python/pyarrow/pandas-shim.pxi
    """
    if "pandas" in sys.modules:
        return
    hiding = _Hiding()
    sys.meta_path.insert(0, hiding)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(hiding)


class _Hiding(MetaPathFinder):
    """Finds no pandas, wherever it is."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:  # noqa: ARG002
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is hidden", name=fullname)
