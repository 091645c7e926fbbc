"""The SQL that reads the source. Every function is pure: names and types in, SQL text out.

Both engines send the same query, so both get the same values: each column is brought into a *wire form*
that neither COPY nor JDBC can misread. A date travels as days and a timestamp as microseconds since
1970-01-01 UTC, an array as a JSON array of texts, ``bytea`` and the numbers as they are, and everything
that the catalog keeps as text as PostgreSQL's own text of it. Infinite dates and timestamps, which
Parquet has no value for, and arrays of several dimensions, which the catalog has no type for, make
PostgreSQL refuse the query.
"""

# ruff: noqa: S608 (names and literals are quoted by quote_name and quote_text)

from __future__ import annotations

from ingest.settings import JobSettings
from ingest.source_types import INTEGERS, TIMESTAMPS, SourceType
from ingest.structures import Column, Partition, TableStructure

SPLIT_ALIAS = "__split"

_AS_IT_IS = (*INTEGERS, "real", "double precision", "boolean", "text", "character varying", "bytea")
_DATE_FORMATS = {"year": "YYYY", "month": "YYYY-MM", "day": "YYYY-MM-DD"}

SESSION = {
    "standard_conforming_strings": "on",
    "statement_timeout": "30min",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "0",
    "search_path": "",
    "datestyle": "ISO, YMD",
    "timezone": "UTC",
    "intervalstyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
}

SNAPSHOT_ISOLATION = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"

EXPORT_SNAPSHOT = "SELECT pg_catalog.pg_export_snapshot()"


def quote_name(name: str) -> str:
    """An identifier in double quotes, which keeps case and makes reserved words harmless.

    Examples
    --------
    >>> quote_name('the "Group" ')
    '"the ""Group"" "'
    """
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """A string literal; the session has ``standard_conforming_strings`` on."""
    return "'" + text.replace("'", "''") + "'"


def source_table(settings: JobSettings) -> str:
    return f"{quote_name(settings.source_schema)}.{quote_name(settings.source_table)}"


def session_statements() -> list[str]:
    """What makes the text of values the same whatever the role and the database have configured."""
    return [f"SET {name} = {quote_text(value)}" for name, value in SESSION.items()]


def import_snapshot(snapshot_id: str) -> str:
    """Make the transaction see what the exporting one sees; it must come before any query."""
    return f"SET TRANSACTION SNAPSHOT {quote_text(snapshot_id)}"


def actual_columns(settings: JobSettings) -> str:
    """A query for (name, type) of the source table's columns, in order; no rows when it is missing."""
    return (
        "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod) "
        "FROM pg_catalog.pg_attribute a "
        "JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE n.nspname = {quote_text(settings.source_schema)} "
        f"AND c.relname = {quote_text(settings.source_table)} "
        "AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped "
        "ORDER BY a.attnum"
    )


def select_rows(
    settings: JobSettings, structure: TableStructure, *, predicate: str = "", split_column: str | None = None
) -> str:
    """The query that reads the table: its columns and partition values under their catalog names.

    Parameters
    ----------
    settings, structure
        The table.
    predicate : str
        SQL condition on the source's columns; empty for every row.
    split_column : str, optional
        Source column to add, as it is, under :data:`SPLIT_ALIAS`.
    """
    expressions = [f"{wire(column)} AS {quote_name(column.name)}" for column in structure.columns]
    expressions += [
        f"{partition_value(structure, partition)} AS {quote_name(partition.name)}"
        for partition in structure.partitions
    ]
    if split_column is not None:
        expressions.append(f"{quote_name(split_column)} AS {quote_name(SPLIT_ALIAS)}")
    query = f"SELECT {', '.join(expressions)} FROM {source_table(settings)}"
    return f"{query} WHERE {predicate}" if predicate else query


def wire(column: Column) -> str:
    """The expression that brings a column into its wire form."""
    expression = quote_name(column.source_name)
    kind = SourceType.parse(column.source_type)
    if kind.is_array:
        return _wire_array(expression, kind.element, column.source_name)
    return _wire_scalar(expression, kind)


def partition_value(structure: TableStructure, partition: Partition) -> str:
    """The expression for a partition's value: text, or NULL for NULL and for the empty text.

    Hive, and so Spark, knows no difference between NULL and an empty partition value.
    """
    column = structure.column(partition.source_name, f"source of the partition {partition.name!r}")
    expression = quote_name(column.source_name)
    if partition.transform == "identity":
        return f"nullif({expression}::text, '')"
    return f"to_char({expression}, '{_DATE_FORMATS[partition.transform]}')"


def split_bounds(settings: JobSettings, column: Column, predicate: str) -> str:
    """A query for the least and the greatest value of the split column, as whole numbers.

    A date is counted in days since 1970-01-01.
    """
    value = quote_name(column.source_name)
    days = " - DATE '1970-01-01'" if column.source_type == "date" else ""
    where = f" WHERE {predicate}" if predicate else ""
    return (
        f"SELECT (min({value}){days})::text, (max({value}){days})::text FROM {source_table(settings)}{where}"
    )


def split_predicates(column: Column, low: int, high: int, parts: int) -> list[str]:
    """Conditions on :data:`SPLIT_ALIAS` that put each row into exactly one part.

    Parameters
    ----------
    column : Column
        Split column, of an integer type or ``date``.
    low, high : int
        Its least and greatest value, as :func:`split_bounds` finds them.
    parts : int
        How many parts to cut the range into; fewer when it holds fewer values.
    """
    name = quote_name(SPLIT_ALIAS)
    cuts = sorted({low + (high - low + 1) * part // parts for part in range(1, parts)} - {low})
    values = [f"DATE '1970-01-01' + {cut}" if column.source_type == "date" else str(cut) for cut in cuts]
    if not values:
        return ["TRUE"]
    middle = [f"{name} >= {start} AND {name} < {end}" for start, end in zip(values, values[1:])]
    return [f"{name} < {values[0]} OR {name} IS NULL", *middle, f"{name} >= {values[-1]}"]


def _wire_scalar(expression: str, kind: SourceType) -> str:
    if kind.name in _AS_IT_IS or kind.name == "character" or kind.is_decimal:
        return expression
    if kind.name == "date":
        return f"({expression} - DATE '1970-01-01')"
    if kind.name in TIMESTAMPS:
        return (
            f"(extract(epoch FROM date_trunc('second', {expression}))::bigint * 1000000"
            f" + extract(microseconds FROM {expression})::bigint % 1000000)"
        )
    if kind.name == "time without time zone":
        return f"to_char({expression}, 'HH24:MI:SS.US')"
    return f"{expression}::text"


def _wire_array(expression: str, element: SourceType, source_name: str) -> str:
    message = quote_text(f"{source_name} holds an array with dimensions: ")
    dimensions = f"array_ndims({expression})"
    elements = (
        f"SELECT {_wire_element(element)} FROM unnest({expression}) WITH ORDINALITY AS e(v, i) ORDER BY e.i"
    )
    return (
        f"CASE WHEN {dimensions} > 1 THEN ({message} || {dimensions})::integer::text"
        f" WHEN {expression} IS NOT NULL THEN array_to_json(ARRAY({elements}))::text END"
    )


def _wire_element(element: SourceType) -> str:
    if element.name == "character" and element.arguments:
        return f"rpad(e.v::text, {element.arguments[0]})"
    return f"{_wire_scalar('e.v', element)}::text"
