"""The SQL that reads the source. Every function is pure: names and types in, SQL text out.

Both engines send the same query, so both get the same values: each column is brought into a *wire form*
that neither COPY nor JDBC can misread. A date travels as days and a timestamp as microseconds since
1970-01-01 UTC, an array as a JSON array of texts, ``bytea`` and the numbers as they are, ``char(n)`` with
the blanks at its end (taking them off costs a worker less than it costs the source), and everything else
that the catalog keeps as text as PostgreSQL's own text of it. Infinite dates and timestamps, which
Parquet has no value for, and arrays of several dimensions, which the catalog has no type for, make
PostgreSQL refuse the query.

Filters, quality rules and masks are part of the query, so what is masked or left out never leaves the
source.
"""

# ruff: noqa: S608 (names and literals are quoted by quote_name and quote_text)

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Mapping

from ingest.settings import JobSettings
from ingest.source_types import INTEGERS, TIMESTAMPS, SourceType
from ingest.structures import Column, Drift, TableStructure

SPLIT_ALIAS = "__split"
QUARANTINE = "__quarantine"
DELETED = "__deleted"
KEY_RULE = "key is null"
OPERATION_RULE = "unknown operation"

_AS_IT_IS = (*INTEGERS, "real", "double precision", "boolean", "text", "character varying", "bytea")
_HMAC_BLOCK = 64
# Of the types with a length or a precision; without one they are of length 1.
_NEVER_ROUNDED = ("character", "bit")

NO_DRIFT = Drift()

SESSION = {
    "standard_conforming_strings": "on",
    "default_transaction_read_only": "on",
    "statement_timeout": "30min",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "0",
    "search_path": "",
    "datestyle": "ISO, YMD",
    "timezone": "UTC",
    "intervalstyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    # A scan begins where the table does: rows that lie in the order of their keys come in it.
    "synchronize_seqscans": "off",
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


def session_settings(masking_key: bytes | None = None) -> dict[str, str]:
    """Settings that make values the same whatever the role has configured, and protect the source.

    Parameters
    ----------
    masking_key : bytes, optional
        Becomes settings too, so that it is in no statement: as it is, and as the two padded keys of
        HMAC (RFC 2104), since PostgreSQL itself has SHA-256 alone.
    """
    if masking_key is None:
        return dict(SESSION)
    padded = (masking_key if len(masking_key) <= _HMAC_BLOCK else hashlib.sha256(masking_key).digest()).ljust(
        _HMAC_BLOCK, b"\0"
    )
    return {
        **SESSION,
        "millpond.masking_key": masking_key.hex(),
        "millpond.masking_inner": bytes(byte ^ 0x36 for byte in padded).hex(),
        "millpond.masking_outer": bytes(byte ^ 0x5C for byte in padded).hex(),
    }


def start_options(session: Mapping[str, str]) -> str:
    """:func:`session_settings` as the ``options`` that a connection starts with: no statement has them.

    Examples
    --------
    >>> start_options({"timezone": "UTC", "lock_timeout": "30s"})
    '-c timezone=UTC -c lock_timeout=30s'
    """
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in session.items())


def set_statement(name: str, value: str) -> str:
    """``SET`` for one setting, which must not be secret: PostgreSQL may log statements."""
    return f"SET {name} = {quote_text(value)}"


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


def distinct_values(settings: JobSettings) -> str:
    """A query for (name, count) of the source table's columns, by its last ANALYZE (``pg_stats``)."""
    return (
        "SELECT s.attname::text, max(CASE WHEN s.n_distinct < 0 THEN -s.n_distinct * c.reltuples "
        "ELSE s.n_distinct END)::bigint::text "
        "FROM pg_catalog.pg_stats s "
        "JOIN pg_catalog.pg_namespace n ON n.nspname = s.schemaname "
        "JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename "
        f"WHERE s.schemaname = {quote_text(settings.source_schema)} "
        f"AND s.tablename = {quote_text(settings.source_table)} GROUP BY s.attname"
    )


@dataclass(frozen=True)
class SourceQuery:
    """A query for the rows of a run.

    Parameters
    ----------
    expressions : mapping of str to str
        Name in the result to SQL expression: the landed columns, then the marks.
    table : str
        Quoted source table.
    predicate : str
        Condition on the source's columns; empty for every row.
    newest_of : tuple of str
        Expressions that identify a row of a table of changes; empty for any other table.
    newest_by : str
        What orders its changes.
    """

    expressions: Mapping[str, str]
    table: str
    predicate: str = ""
    newest_of: tuple[str, ...] = ()
    newest_by: str = ""

    @property
    def has_quarantine(self) -> bool:
        return QUARANTINE in self.expressions

    @property
    def has_deleted(self) -> bool:
        return DELETED in self.expressions

    def sql(self, split_column: str | None = None) -> str:
        """The text; with a source column to add, as it is, under :data:`SPLIT_ALIAS`."""
        items = [f"{expression} AS {quote_name(name)}" for name, expression in self.expressions.items()]
        if split_column is not None:
            items.append(f"{quote_name(split_column)} AS {quote_name(SPLIT_ALIAS)}")
        keys = ", ".join(self.newest_of)
        distinct = f"DISTINCT ON ({keys}) " if keys else ""
        where = f" WHERE {self.predicate}" if self.predicate else ""
        order = f" ORDER BY {keys}, {self.newest_by} DESC" if keys else ""
        return f"SELECT {distinct}{', '.join(items)} FROM {self.table}{where}{order}"


def source_query(
    settings: JobSettings,
    landed: TableStructure,
    *,
    window: str = "",
    drift: Drift = NO_DRIFT,
) -> SourceQuery:
    """The query that reads a table.

    Parameters
    ----------
    settings : JobSettings
        Filter, rules, keys and mode.
    landed : TableStructure
        What :func:`ingest.projection.project` made of the structure.
    window : str
        Condition for the rows that changed; empty to read all. A changed row that the filter no longer
        takes is then marked as deleted: it may be in the lake.
    drift : Drift
        How the source differs from the structure.
    """
    keys = tuple(quote_name(name) for name in settings.key_columns)
    mode, deleted = settings.mode, []
    if mode.is_log:
        deleted.append(f"{quote_name(str(settings.change_operation_column))}::text = 'D'")
    conditions = [window] if window else []
    if settings.filter is not None:
        if mode.is_log or (window and not mode.keeps_absent_rows):
            deleted.append(f"({settings.filter}\n) IS NOT TRUE")
        else:
            conditions.append(f"({settings.filter}\n)")
    expressions = {column.name: wire(column, drift) for column in landed.columns}
    mark = " OR ".join(deleted)
    violations = _violations(settings, landed, mark, drift)
    if violations:
        expressions[QUARANTINE] = _quarantine(violations, landed, drift)
    if mark:
        expressions[DELETED] = f"coalesce({mark}, false)"
    return SourceQuery(
        expressions=expressions,
        table=source_table(settings),
        predicate=" AND ".join(conditions),
        newest_of=keys if mode.is_log else (),
        newest_by=quote_name(str(settings.growing_column)) if mode.is_log else "",
    )


def _violations(settings: JobSettings, landed: TableStructure, deleted: str, drift: Drift) -> dict[str, str]:
    """Rule name to the condition under which a row violates it. The rows to delete only need a key."""
    keys = [landed.column(name, "a key") for name in settings.key_columns]
    nullable = [f"{quote_name(key.source_name)} IS NULL" for key in keys if key.nullable]
    violations = {KEY_RULE: " OR ".join(nullable)} if nullable else {}
    if settings.mode.is_log:
        operation = f"{quote_name(str(settings.change_operation_column))}::text"
        violations[OPERATION_RULE] = f"coalesce({operation}, '') NOT IN ('I', 'U', 'D')"
    kept = f" AND NOT coalesce({deleted}, false)" if deleted else ""
    for column in landed.columns:
        if column.source_name in drift.retyped and not column.masking:
            violations[f"type of {column.name}"] = f"{_does_not_fit(column)}{kept}"
    for rule in settings.quality_rules:
        violations[rule.name] = f"({rule.check}\n) IS FALSE{kept}"
    return violations


def _quarantine(violations: Mapping[str, str], landed: TableStructure, drift: Drift) -> str:
    """JSON of a bad row, its values masked as they would be landed; NULL for a good one."""
    names = ", ".join(
        f"CASE WHEN {condition} THEN {quote_text(name)} END" for name, condition in violations.items()
    )
    columns = ", ".join(quote_text(column.name) for column in landed.columns)
    values = ", ".join(
        "NULL" if column.source_name in drift.absent else _masked_text(column) for column in landed.columns
    )
    row = f"json_object(ARRAY[{columns}]::text[], ARRAY[{values}]::text[])"
    return (
        f"CASE WHEN {' OR '.join(f'({condition})' for condition in violations.values())} THEN "
        f"json_build_object('rules', array_remove(ARRAY[{names}]::text[], NULL), 'row', {row})::text END"
    )


def wire(column: Column, drift: Drift = NO_DRIFT) -> str:
    """The expression that brings a column into its wire form."""
    is_absent = column.source_name in drift.absent
    if column.masking:
        return "NULL::text" if is_absent else _masked_text(column)
    expression = quote_name(column.source_name)
    kind = SourceType.parse(column.source_type)
    if is_absent:
        return f"NULL::{_wire_type(kind)}"
    if column.source_name in drift.retyped:
        text = f"{expression}::text"
        expression = f"CASE WHEN {_is_valid(text, column)} THEN {text}::{column.source_type} END"
    if kind.is_array:
        return _wire_array(expression, kind.element, column.source_name)
    return _wire_scalar(expression, kind)


def _does_not_fit(column: Column) -> str:
    """Whether a value of another type than the column's has no exact counterpart in the column's."""
    text, kind = f"{quote_name(column.source_name)}::text", SourceType.parse(column.source_type)
    whole = f"{text}::{kind.name}{'[]' if kind.is_array else ''}"
    may_round = kind.arguments and kind.name not in _NEVER_ROUNDED
    is_exact = f"{text}::{column.source_type} = {whole}" if may_round else "true"
    fits = f"CASE WHEN {_is_valid(text, column)} THEN {is_exact} ELSE false END"
    return f"({quote_name(column.source_name)} IS NOT NULL AND NOT {fits})"


def _is_valid(text: str, column: Column) -> str:
    return f"pg_input_is_valid({text}, {quote_text(column.source_type)})"


def _masked_text(column: Column) -> str:
    text = f"{quote_name(column.source_name)}::text"
    value = f"convert_to({text}, 'UTF8')"
    if column.masking == "hash":
        key = "decode(current_setting('millpond.masking_key'), 'hex')"
        return f"encode(sha256({key} || {value}), 'hex')"
    if column.masking == "tokenise":
        inner = "decode(current_setting('millpond.masking_inner'), 'hex')"
        outer = "decode(current_setting('millpond.masking_outer'), 'hex')"
        return f"'tok_' || left(encode(sha256({outer} || sha256({inner} || {value})), 'hex'), 32)"
    return text


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


def _escaped(value: str) -> str:
    """A value in ``options``, where a blank ends it."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def _wire_scalar(expression: str, kind: SourceType) -> str:
    if kind.name in _AS_IT_IS or kind.is_decimal or kind.is_char:
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
    return f"{_wire_scalar('e.v', element)}::text"


def _wire_type(kind: SourceType) -> str:
    if kind.is_array:
        return "text"
    if kind.name in TIMESTAMPS:
        return "bigint"
    if kind.name == "date":
        return "integer"
    if kind.is_decimal:
        return "numeric"
    return kind.name if kind.name in _AS_IT_IS else "text"
