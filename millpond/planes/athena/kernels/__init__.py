"""Functions of Trino's that DuckDB has not, or not the same: plain functions of Python over one row's values.

A kernel gets and returns Python's own values: text, numbers, ``Decimal``, bytes, lists, maps as lists of
pairs, rows as dictionaries. Points in time are whole numbers, so that no year is too early or too late: the
days of a date, the microseconds of a time and of a timestamp. ``NULL`` in gives ``NULL`` out unless a kernel
says otherwise.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millpond.planes.athena.exceptions import KernelFailed, NotSupported
from millpond.planes.athena.types import TIMESTAMP_TZ, Type, duckdb_type

if TYPE_CHECKING:
    import duckdb

Function = Callable[..., Any]


class Installer:
    """Makes kernels known to one connection, each when the first expression needs it.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Where the compiled statements will run.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._known: set[str] = set()

    def install(self, kernel: Kernel) -> None:
        if kernel.sql_name in self._known:
            return
        self._connection.create_function(  # type: ignore[call-overload]
            kernel.sql_name,
            kernel.vectorised(),
            [duckdb_type(parameter) for parameter in kernel.parameters],
            duckdb_type(kernel.result),
            type="arrow",
            null_handling="special",
        )
        self._known.add(kernel.sql_name)


_INSTALLER: ContextVar[Installer | None] = ContextVar("kernels", default=None)


@contextmanager
def installed_in(installer: Installer) -> Iterator[None]:
    """Kernels that are called while this lasts become known to the connection of the installer."""
    token = _INSTALLER.set(installer)
    try:
        yield
    finally:
        _INSTALLER.reset(token)


@dataclass(frozen=True)
class Kernel:
    """A function of Python as one of DuckDB's.

    Parameters
    ----------
    function : callable
        Of one row's values. It raises :class:`KernelFailed` as Trino fails.
    parameters : tuple of Type
        What it takes.
    result : Type
        What it returns.
    takes_null : bool
        Whether it is called although an argument is NULL.
    key : str
        What tells it from a kernel of another function of the same name and types, where functions are made.
    """

    function: Function
    parameters: tuple[Type, ...]
    result: Type
    takes_null: bool = False
    key: str = ""

    @property
    def sql_name(self) -> str:
        types = ",".join(duckdb_type(t) for t in (*self.parameters, self.result))
        name = f"{self.function.__module__}.{self.function.__qualname__}"
        whole = f"{name}({types}){self.key}{self.takes_null}"
        return f"kernel_{hashlib.sha256(whole.encode()).hexdigest()[:16]}"

    def sql(self, arguments: Sequence[str]) -> str:
        """The call; the kernel becomes known to the connection that will run it."""
        installer = _INSTALLER.get()
        if installer is not None:
            installer.install(self)
        return f"{self.sql_name}({', '.join(arguments)})"

    def vectorised(self) -> Function:
        """The function over Arrow arrays, which DuckDB calls."""
        import pyarrow as pa

        result = self.result
        function, takes_null = self.function, self.takes_null

        def run(*arrays: Any) -> Any:
            columns = [_values(array) for array in arrays]
            out: list[Any] = []
            for row in zip(*columns, strict=True):
                if not takes_null and None in row:
                    out.append(None)
                else:
                    out.append(function(*row))
            return _array(pa, out, result)

        # DuckDB counts the parameters of the signature.
        kind = inspect.Parameter.POSITIONAL_ONLY
        named = [inspect.Parameter(f"a{index}", kind) for index in range(len(self.parameters))]
        run.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
        return run


def fail(code: str, message: str) -> KernelFailed:
    """The failure of a kernel with the name of Trino's error."""
    return KernelFailed(code, message)


_REFUSED: list[str] = []


def unsupported(what: str) -> KernelFailed:
    """The refusal of a value that a kernel does not know to handle.

    It is kept too: ``TRY`` makes NULL of every failure, and this one must be told.
    """
    _REFUSED.append(what)
    refusal = NotSupported(what)
    return KernelFailed(refusal.reason, refusal.message)


def raise_refused() -> None:
    """Fail if a value was refused since the last time, whatever became of the failure.

    Raises
    ------
    NotSupported
        With the first of them.
    """
    refused = list(_REFUSED)
    _REFUSED.clear()
    if refused:
        raise NotSupported(refused[0])


def _values(array: Any) -> list[Any]:
    import pyarrow as pa

    plain = _plain(pa, array.type)
    if plain != array.type:
        array = array.cast(plain)
    return list(array.to_pylist())


def _plain(pa: Any, type_: Any) -> Any:
    """An Arrow type with whole numbers for points in time."""
    if pa.types.is_date(type_):
        return pa.int32()
    if pa.types.is_timestamp(type_) or pa.types.is_time64(type_):
        return pa.int64()
    if pa.types.is_list(type_):
        return pa.list_(_plain(pa, type_.value_type))
    if pa.types.is_map(type_):
        return pa.map_(_plain(pa, type_.key_type), _plain(pa, type_.item_type))
    if pa.types.is_struct(type_):
        return pa.struct([(field.name, _plain(pa, field.type)) for field in type_.fields])
    return type_


def _array(pa: Any, values: list[Any], type_: Type) -> Any:
    wanted = arrow_type(pa, type_)
    plain = _plain(pa, wanted)
    array = pa.array(values, plain)
    return array if plain == wanted else array.cast(wanted)


def arrow_type(pa: Any, type_: Type) -> Any:
    """The Arrow type of DuckDB's vectors of a Trino type."""
    if type_.name == "array":
        return pa.list_(arrow_type(pa, type_.elements[0]))
    if type_.name == "map":
        return pa.map_(*(arrow_type(pa, element) for element in type_.elements))
    if type_.name == "row":
        fields = zip(type_.field_names, type_.elements, strict=True)
        return pa.struct([(name, arrow_type(pa, element)) for name, element in fields])
    if type_.name == "decimal":
        return pa.decimal128(type_.precision, type_.scale)
    simple = {
        "unknown": pa.int32(),
        "boolean": pa.bool_(),
        "tinyint": pa.int8(),
        "smallint": pa.int16(),
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "real": pa.float32(),
        "double": pa.float64(),
        "varbinary": pa.binary(),
        "date": pa.date32(),
        "time": pa.time64("us"),
        "timestamp": pa.timestamp("us"),
        TIMESTAMP_TZ: pa.timestamp("us", "UTC"),
        "interval day to second": pa.int64(),
        "interval year to month": pa.int32(),
    }
    return simple.get(type_.name, pa.string())
