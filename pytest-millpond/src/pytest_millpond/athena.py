"""Queries of Athena, and what they answer as values of Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pytest_millpond.clients import Aws
from pytest_millpond.objects import Objects
from pytest_millpond.waiting import wait_until

QUERY_SECONDS = 300.0
WORKGROUP = "pytest-millpond"
SHOWN_ROWS = 20
_VALUES: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("tinyint", "smallint", "integer", "int", "bigint"), int),
    **dict.fromkeys(("float", "real", "double"), float),
    "decimal": Decimal,
    "boolean": lambda text: text == "true",
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
}


class QueryFailed(AssertionError):  # noqa: N818
    """Athena refused a query, or it failed; with its text."""


@dataclass(frozen=True)
class QueryResult:
    """What a query answered.

    Parameters
    ----------
    sql, query_execution_id : str
        Which query it was.
    columns, types : tuple of str
        Names of the columns, and Athena's names of their types.
    rows : tuple of tuple
        Integers, floats, ``Decimal``, booleans, dates and timestamps without a zone as Python has them; all
        else is the text that Athena writes; None for NULL.
    """

    sql: str
    query_execution_id: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def value(self) -> Any:
        """The only value of the only row.

        Raises
        ------
        AssertionError
            If there is more than one, or none.
        """
        __tracebackhide__ = True
        if len(self.rows) != 1 or len(self.columns) != 1:
            raise AssertionError(
                f"One value was expected, and there are {len(self.rows)} rows of {len(self.columns)} columns."
                f"{self._told()}"
            )
        return self.rows[0][0]

    def assert_rows(self, expected: Sequence[Sequence[Any]], *, in_any_order: bool = False) -> QueryResult:
        """Assert that these are the rows.

        Parameters
        ----------
        expected : sequence of sequences
            Rows; a text in place of a number or a date is read as one.
        in_any_order : bool
            Whether their order is of no account, as in a query without ``ORDER BY``.
        """
        __tracebackhide__ = True
        wanted = [tuple(self._as(value, i) for i, value in enumerate(row)) for row in expected]
        found = list(self.rows)
        equal = Counter(wanted) == Counter(found) if in_any_order else wanted == found
        if not equal:
            missing = list((Counter(wanted) - Counter(found)).elements())
            surplus = list((Counter(found) - Counter(wanted)).elements())
            why = (
                "the same rows in another order"
                if not missing and not surplus
                else f"missing {_shown(missing)}\n  not expected {_shown(surplus)}"
            )
            raise AssertionError(f"The query answered other rows: {why}{self._told()}")
        return self

    def assert_empty(self) -> QueryResult:
        """Assert that there is no row."""
        __tracebackhide__ = True
        return self.assert_rows([])

    def _as(self, value: Any, column: int) -> Any:
        if isinstance(value, str) and column < len(self.types):
            return _value(self.types[column], value)
        return value

    def _told(self) -> str:
        columns, sql = ", ".join(self.columns), " ".join(self.sql.split())
        return f"\n  columns {columns}; found {_shown(self.rows)}\n  by {sql}"


class Athena:
    """Asks Athena: ``athena("SELECT 1").assert_rows([(1,)])``."""

    def __init__(self, aws: Aws, objects: Objects, bucket: str) -> None:
        self._aws = aws
        self._objects = objects
        self._bucket = bucket

    def __call__(
        self, sql: str, database: str = "default", workgroup: str = "", timeout: float = QUERY_SECONDS
    ) -> QueryResult:
        """Run one statement to its end.

        Parameters
        ----------
        sql : str
            One statement.
        database : str
            What names without a database belong to.
        workgroup : str
            One of the project's; one of these tests' own unless given.
        timeout : float
            Seconds to wait at most.

        Raises
        ------
        QueryFailed
            If it is refused, fails, or has not ended by then.
        """
        __tracebackhide__ = True
        athena = self._aws("athena")
        try:
            query_id = athena.start_query_execution(
                QueryString=sql,
                WorkGroup=workgroup or self._own_workgroup(),
                QueryExecutionContext={"Database": database},
            )["QueryExecutionId"]
        except athena.exceptions.InvalidRequestException as error:
            raise QueryFailed(f"{error.response['Error'].get('Message', error)}\n  in {sql}") from None

        def ended() -> dict[str, Any] | None:
            told: dict[str, Any] = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            return told if told["Status"]["State"] not in ("QUEUED", "RUNNING") else None

        execution = wait_until(ended, timeout)
        if execution is None:
            athena.stop_query_execution(QueryExecutionId=query_id)
            raise QueryFailed(f"The query had not ended after {timeout:g} s, and was stopped.\n  in {sql}")
        status = execution["Status"]
        if status["State"] != "SUCCEEDED":
            raise QueryFailed(
                f"{status['State']}: {status.get('StateChangeReason', 'no reason given')}\n  in {sql}"
            )
        return self._result(execution, sql)

    def _own_workgroup(self) -> str:
        athena = self._aws("athena")
        place = self._objects.bucket(self._bucket)
        where = {"ResultConfiguration": {"OutputLocation": f"{place}/athena/"}}
        try:
            athena.get_work_group(WorkGroup=WORKGROUP)
        except athena.exceptions.InvalidRequestException:
            athena.create_work_group(Name=WORKGROUP, Configuration=where)
        return WORKGROUP

    def _result(self, execution: dict[str, Any], sql: str) -> QueryResult:
        query_id = execution["QueryExecutionId"]
        columns: list[dict[str, Any]] = []
        rows: list[list[str | None]] = []
        pages = self._aws("athena").get_paginator("get_query_results").paginate(QueryExecutionId=query_id)
        for page in pages:
            columns = page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
            rows += [
                [datum.get("VarCharValue") for datum in row.get("Data", [])]
                for row in page["ResultSet"]["Rows"]
            ]
        names = [column.get("Label") or column["Name"] for column in columns]
        # A query's first row repeats the names of the columns; that of DDL and SHOW does not.
        if execution.get("StatementType") == "DML" and rows and rows[0] == names:
            rows = rows[1:]
        types = tuple(column["Type"] for column in columns)
        # A row of DDL may be shorter than its columns are many.
        padded = [row + [None] * (len(types) - len(row)) for row in rows]
        values = tuple(tuple(map(_value, types, row)) for row in padded)
        return QueryResult(sql, query_id, tuple(names), types, values)


def _value(type_name: str, text: str | None) -> Any:
    read = _VALUES.get(type_name)
    if text is None or read is None:
        return text
    if type_name == "timestamp":
        # Python 3.9 and 3.10 read three or six digits of a fraction and no others.
        head, dot, fraction = text.partition(".")
        text = f"{head}.{fraction[:6].ljust(6, '0')}" if dot else head
    return read(text)


def _shown(rows: Sequence[Sequence[Any]]) -> str:
    if not rows:
        return "no row"
    more = f"\n    … and {len(rows) - SHOWN_ROWS} more" if len(rows) > SHOWN_ROWS else ""
    return "".join(f"\n    {tuple(row)!r}" for row in rows[:SHOWN_ROWS]) + more
