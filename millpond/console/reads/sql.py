"""Statements for Athena: taken apart, started, and read page by page."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import sqlglot
from botocore.exceptions import ClientError
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from millpond.client.aws import Aws
from millpond.client.listing import pages
from millpond.client.query import engine_of

PAGE_ROWS = 1000
"""What ``GetQueryResults`` answers at most at once."""
RESULTS = "millpond-query-results"
"""Where results of the stack go whose workgroup says nothing of them."""
FIRST_PAUSE, LAST_PAUSE = 0.2, 2.0
"""Seconds between two looks at a query that runs: most take a moment, some an hour."""
_PLACE = re.compile(r"\bline (\d+):(\d+)")
# https://aws.amazon.com/athena/pricing: dollars for each tebibyte, at least for ten mebibytes a query.
_PRICE, _LEAST = 5.0, 10 * 2**20


@dataclass(frozen=True)
class Statement:
    """One statement of a text.

    Parameters
    ----------
    text : str
        Without the semicolon.
    begin : int
        Its first character's place in the text.
    parameters : int
        How many question marks wait for a value.
    """

    text: str
    begin: int
    parameters: int = 0


def split(text: str) -> list[Statement]:
    """The statements of a text; semicolons in strings, names and comments part nothing.

    A text that ends within a string is one statement: Athena says what is wrong with it.

    >>> [one.text for one in split("SELECT ';' ; SELECT 2 -- ; no")]
    ["SELECT ';'", 'SELECT 2 -- ; no']
    """
    try:
        tokens = sqlglot.tokenize(text, read="athena")
    except SqlglotError:
        tokens = []
    ends = [token.start for token in tokens if token.token_type == TokenType.SEMICOLON]
    marks = [token.start for token in tokens if token.token_type == TokenType.PLACEHOLDER]
    found, begin = [], 0
    for end in [*ends, len(text)]:
        part = text[begin:end]
        if part.strip() and (not tokens or any(begin <= token.start < end for token in tokens)):
            first = begin + len(part) - len(part.lstrip())
            found.append(Statement(part.strip(), first, sum(begin <= mark < end for mark in marks)))
        begin = end + 1
    return found


def error_place(text: str, statement: Statement, reason: str, shift: int = 0) -> int | None:
    """Where in a text the place is that a reason names (``line 2:8``); None where it names none.

    Parameters
    ----------
    text : str
        What the statement was taken from.
    statement : Statement
        That failed.
    reason : str
        In Athena's words; lines and columns count from 1.
    shift : int
        What was put before the statement, in characters.
    """
    if not (found := _PLACE.search(reason)):
        return None
    line, column = int(found[1]), int(found[2])
    column -= shift if line == 1 else 0
    lines = statement.text.splitlines(keepends=True)
    if line > len(lines):
        return None
    place = statement.begin + sum(map(len, lines[: line - 1])) + column - 1
    return max(min(place, len(text) - 1), 0)


def price(scanned_bytes: int) -> float:
    """Dollars that AWS would ask for a query that scanned so much."""
    return max(scanned_bytes, _LEAST) / 2**40 * _PRICE if scanned_bytes else 0.0


def place(aws: Aws, workgroup: str) -> str:
    """Where results of a query go, to be named in the request; empty where the workgroup knows."""
    configuration = aws.athena.get_work_group(WorkGroup=workgroup)["WorkGroup"].get("Configuration", {})
    if configuration.get("ResultConfiguration", {}).get("OutputLocation"):
        return ""
    try:
        aws.s3.head_bucket(Bucket=RESULTS)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != HTTPStatus.NOT_FOUND:
            raise
        elsewhere: Any = {"LocationConstraint": aws.region}
        arguments = {} if aws.region == "us-east-1" else {"CreateBucketConfiguration": elsewhere}
        aws.s3.create_bucket(Bucket=RESULTS, **arguments)
    return f"s3://{RESULTS}/"


def start(aws: Aws, text: str, *, database: str, workgroup: str, parameters: Sequence[str] = ()) -> str:
    """Start a statement; the id of its execution.

    Raises
    ------
    ClientError
        If Athena refuses it.
    """
    location = place(aws, workgroup)
    arguments: Any = {
        "QueryString": text,
        "WorkGroup": workgroup,
        "QueryExecutionContext": {"Database": database},
        **({"ResultConfiguration": {"OutputLocation": location}} if location else {}),
        **({"ExecutionParameters": list(parameters)} if parameters else {}),
    }
    return aws.athena.start_query_execution(**arguments)["QueryExecutionId"]


@dataclass(frozen=True)
class Standing:
    """How a query stands.

    Parameters
    ----------
    state : str
        ``QUEUED``, ``RUNNING``, ``SUCCEEDED``, ``FAILED``, ``CANCELLED``.
    reason : str
        Of a failure.
    seconds : float
        How long it took in all.
    scanned : int
        Bytes.
    engine : str
        What answered, where that is told; empty else.
    text : str
        The statement.
    is_select : bool
        Whether the first row of its result repeats the names of the columns.
    """

    state: str
    reason: str
    seconds: float
    scanned: int
    engine: str
    text: str
    is_select: bool

    @property
    def has_ended(self) -> bool:
        """Whether it is over."""
        return self.state not in ("QUEUED", "RUNNING")


def standing(aws: Aws, query_id: str) -> Standing:
    """How a query stands now."""
    execution = aws.athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
    status, statistics = execution["Status"], execution.get("Statistics", {})
    location = execution.get("ResultConfiguration", {}).get("OutputLocation", "")
    return Standing(
        status["State"],
        status.get("StateChangeReason", "") if status["State"] != "SUCCEEDED" else "",
        statistics.get("TotalExecutionTimeInMillis", 0) / 1000,
        statistics.get("DataScannedInBytes", 0),
        engine_of(aws.s3, location) if status["State"] == "SUCCEEDED" and location else "",
        execution["Query"],
        execution.get("StatementType") == "DML",
    )


def wait(aws: Aws, query_id: str) -> Standing:
    """How a query has ended, for who has nothing else to do meanwhile."""
    pause = FIRST_PAUSE
    while not (told := standing(aws, query_id)).has_ended:
        time.sleep(pause)
        pause = min(pause * 1.5, LAST_PAUSE)
    return told


@dataclass(frozen=True)
class Rows:
    """A page of a result.

    Parameters
    ----------
    columns : tuple of str
        Their labels.
    types : tuple of str
        In Athena's words.
    rows : tuple of tuple of str or None
        Values as Athena writes them; None is NULL.
    following : str
        What asks for the next page; empty behind the last one.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    following: str


def rows(aws: Aws, query_id: str, token: str = "", *, is_select: bool = True) -> Rows:
    """A page of the result of a query that has succeeded."""
    arguments: Any = {"NextToken": token} if token else {}
    answer = aws.athena.get_query_results(QueryExecutionId=query_id, MaxResults=PAGE_ROWS, **arguments)
    told = answer["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    columns = tuple(column.get("Label", column["Name"]) for column in told)
    found = [
        tuple(datum.get("VarCharValue") for datum in row.get("Data", []))
        for row in answer["ResultSet"].get("Rows", [])
    ]
    if not token and is_select and found and found[0] == columns:
        found = found[1:]
    whole = tuple(row + (None,) * (len(columns) - len(row)) for row in found)
    return Rows(columns, tuple(column["Type"] for column in told), whole, answer.get("NextToken", ""))


def names(aws: Aws) -> dict[str, dict[str, list[str]]]:
    """The columns of every table, by database and table: what a statement can be completed by."""
    return {
        database["Name"]: {
            table["Name"]: [
                column["Name"]
                for column in [
                    *table.get("StorageDescriptor", {}).get("Columns", []),
                    *table.get("PartitionKeys", []),
                ]
            ]
            for table in pages(aws.glue, "get_tables", "TableList", DatabaseName=database["Name"])
        }
        for database in pages(aws.glue, "get_databases", "DatabaseList")
    }


@dataclass(frozen=True)
class Saved:
    """A statement that a workgroup keeps.

    Parameters
    ----------
    kind : str
        ``saved`` or ``prepared``.
    name, text, about : str
        Its name, the statement, and its description.
    database : str
        What its names belong to; empty of a prepared one.
    """

    kind: str
    name: str
    text: str
    about: str = ""
    database: str = ""


def saved(aws: Aws, workgroup: str) -> list[Saved]:
    """The saved queries of a workgroup, then its prepared statements."""
    found = []
    for identity in pages(aws.athena, "list_named_queries", "NamedQueryIds", WorkGroup=workgroup):
        one = aws.athena.get_named_query(NamedQueryId=identity)["NamedQuery"]
        found.append(
            Saved("saved", one["Name"], one["QueryString"], one.get("Description", ""), one["Database"])
        )
    listed = aws.athena.list_prepared_statements(WorkGroup=workgroup)["PreparedStatements"]
    for summary in listed:
        prepared = aws.athena.get_prepared_statement(
            StatementName=summary["StatementName"], WorkGroup=workgroup
        )["PreparedStatement"]
        found.append(
            Saved(
                "prepared",
                prepared["StatementName"],
                prepared["QueryStatement"],
                prepared.get("Description", ""),
            )
        )
    return found


_NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal", "real")


def numeric(types: Sequence[str]) -> list[int]:
    """The places of the columns that have numbers."""
    return [place for place, kind in enumerate(types) if kind.partition("(")[0].startswith(_NUMBERS)]


def _number(text: str | None) -> float | None:
    """A number that can be drawn: NULL, NaN and what is infinite leave a gap."""
    value = math.nan if text is None else float(text)
    return value if math.isfinite(value) else None


def chart_options(
    columns: Sequence[str], rows: Sequence[Sequence[str | None]], kind: str, along: int, values: Sequence[int]
) -> dict[str, Any]:
    """What ECharts draws of the rows of a result.

    Parameters
    ----------
    columns : sequence of str
        Their names.
    rows : sequence of sequence
        Values as text; NULL leaves a gap.
    kind : {"bar", "line", "scatter"}
        How.
    along : int
        The column along the axis.
    values : sequence of int
        Columns with numbers, a series each.
    """
    return {
        "animation": False,
        # As text: what stands in a table is never HTML.
        "tooltip": {"trigger": "axis", "renderMode": "richText"},
        "legend": {},
        "grid": {"left": 60, "right": 20, "top": 40, "bottom": 40},
        "xAxis": {"type": "category", "name": columns[along], "data": [row[along] for row in rows]},
        "yAxis": {"type": "value", "scale": kind != "bar"},
        "series": [
            {
                "type": kind,
                "name": columns[place],
                "data": [_number(row[place]) for row in rows],
            }
            for place in values
        ],
    }
