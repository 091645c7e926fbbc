"""The SQL that reads the source, in the words of its dialect. Every function is pure: names in, SQL text out.

Both engines send the same query, so both get the same values: each column is brought into a *wire form*
that neither COPY nor JDBC can misread. A date travels as days and a timestamp as microseconds since
1970-01-01 UTC, an array as a JSON array of texts, ``bytea`` and the numbers as they are, ``char(n)`` with
the blanks at its end (taking them off costs a worker less than it costs the source), and everything else
that the catalog keeps as text as the database's own text of it. Infinite dates and timestamps, which
Parquet has no value for, and arrays of several dimensions, which the catalog has no type for, make
the database refuse the query.

Filters, quality rules and masks are part of the query, so what is masked or left out never leaves the
source.
"""

# ruff: noqa: S608 (names and literals are quoted by the dialect)

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

from ingest.dialect import Dialect
from ingest.settings import JobSettings
from ingest.structures import Column, Drift, TableStructure

SPLIT_ALIAS = "__split"
QUARANTINE = "__quarantine"
DELETED = "__deleted"
KEY_RULE = "key is null"
OPERATION_RULE = "unknown operation"

NO_DRIFT = Drift()


def source_table(dialect: Dialect, settings: JobSettings) -> str:
    return f"{dialect.quote_name(settings.source_schema)}.{dialect.quote_name(settings.source_table)}"


@dataclass(frozen=True)
class SourceQuery:
    """A query for the rows of a run.

    Parameters
    ----------
    dialect : Dialect
        Of the database that is asked.
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

    dialect: Dialect
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
        quote = self.dialect.quote_name
        items = [f"{expression} AS {quote(name)}" for name, expression in self.expressions.items()]
        if split_column is not None:
            items.append(f"{quote(split_column)} AS {quote(SPLIT_ALIAS)}")
        columns, source = ", ".join(items), f"{self.table}{_where(self.predicate)}"
        if self.newest_of:
            return self.dialect.newest(columns, source, self.newest_of, self.newest_by)
        return f"SELECT {columns} FROM {source}"


def source_query(
    dialect: Dialect,
    settings: JobSettings,
    landed: TableStructure,
    *,
    window: str = "",
    drift: Drift = NO_DRIFT,
) -> SourceQuery:
    """The query that reads a table.

    Parameters
    ----------
    dialect : Dialect
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
    mode, quote = settings.mode, dialect.quote_name
    deleted = []
    if mode.is_log:
        deleted.append(f"{_operation(dialect, settings)} = 'D'")
    conditions = [window] if window else []
    if settings.filter is not None:
        if mode.is_log or (window and not mode.keeps_absent_rows):
            deleted.append(f"({settings.filter}\n) IS NOT TRUE")
        else:
            conditions.append(f"({settings.filter}\n)")
    expressions = {column.name: wire(dialect, column, drift) for column in landed.columns}
    mark = " OR ".join(deleted)
    violations = _violations(dialect, settings, landed, mark, drift)
    if violations:
        expressions[QUARANTINE] = _quarantine(dialect, violations, landed, drift)
    if mark:
        expressions[DELETED] = f"coalesce({mark}, false)"
    return SourceQuery(
        dialect=dialect,
        expressions=expressions,
        table=source_table(dialect, settings),
        predicate=" AND ".join(conditions),
        newest_of=tuple(quote(name) for name in settings.key_columns) if mode.is_log else (),
        newest_by=quote(str(settings.growing_column)) if mode.is_log else "",
    )


def _operation(dialect: Dialect, settings: JobSettings) -> str:
    return dialect.text(dialect.quote_name(str(settings.change_operation_column)))


def _violations(
    dialect: Dialect, settings: JobSettings, landed: TableStructure, deleted: str, drift: Drift
) -> dict[str, str]:
    """Rule name to the condition under which a row violates it. The rows to delete only need a key."""
    keys = [landed.column(name, "a key") for name in settings.key_columns]
    nullable = [f"{dialect.quote_name(key.source_name)} IS NULL" for key in keys if key.nullable]
    violations = {KEY_RULE: " OR ".join(nullable)} if nullable else {}
    if settings.mode.is_log:
        violations[OPERATION_RULE] = f"coalesce({_operation(dialect, settings)}, '') NOT IN ('I', 'U', 'D')"
    kept = f" AND NOT coalesce({deleted}, false)" if deleted else ""
    for column in landed.columns:
        if column.source_name in drift.retyped and not column.masking:
            misfit = dialect.does_not_fit(dialect.quote_name(column.source_name), column.source_type)
            violations[f"type of {column.name}"] = f"{misfit}{kept}"
    for rule in settings.quality_rules:
        violations[rule.name] = f"({rule.check}\n) IS FALSE{kept}"
    return violations


def _quarantine(dialect: Dialect, violations: Mapping[str, str], landed: TableStructure, drift: Drift) -> str:
    """JSON of a bad row, its values masked as they would be landed; NULL for a good one."""
    values = {
        column.name: "NULL" if column.source_name in drift.absent else _masked_text(dialect, column)
        for column in landed.columns
    }
    is_bad = " OR ".join(f"({condition})" for condition in violations.values())
    return f"CASE WHEN {is_bad} THEN {dialect.quarantine(violations, values)} END"


def wire(dialect: Dialect, column: Column, drift: Drift = NO_DRIFT) -> str:
    """The expression that brings a column into its wire form."""
    is_absent = column.source_name in drift.absent
    if column.masking:
        return dialect.text("NULL") if is_absent else _masked_text(dialect, column)
    kind = dialect.type_of(column.source_type)
    if is_absent:
        return dialect.null_of_wire(kind)
    expression = dialect.quote_name(column.source_name)
    if column.source_name in drift.retyped:
        expression = dialect.converted(expression, column.source_type)
    return dialect.wire(expression, kind, column.source_name)


def _masked_text(dialect: Dialect, column: Column) -> str:
    expression = dialect.quote_name(column.source_name)
    return dialect.masked(expression, column.masking) if column.masking else dialect.text(expression)


def split_bounds(dialect: Dialect, settings: JobSettings, column: Column, predicate: str) -> str:
    """A query for the least and the greatest value of the split column, as whole numbers.

    A date is counted in days since 1970-01-01.
    """
    name = dialect.quote_name(column.source_name)
    bounds = [f"min({name})", f"max({name})"]
    if _is_date(dialect, column):
        bounds = [dialect.days(bound) for bound in bounds]
    texts = ", ".join(dialect.text(f"({bound})") for bound in bounds)
    return f"SELECT {texts} FROM {source_table(dialect, settings)}{_where(predicate)}"


def split_predicates(dialect: Dialect, column: Column, low: int, high: int, parts: int) -> list[str]:
    """Conditions on :data:`SPLIT_ALIAS` that put each row into exactly one part.

    Parameters
    ----------
    dialect : Dialect
    column : Column
        Split column, of an integer type or a date.
    low, high : int
        Its least and greatest value, as :func:`split_bounds` finds them.
    parts : int
        How many parts to cut the range into; fewer when it holds fewer values.
    """
    name = dialect.quote_name(SPLIT_ALIAS)
    cuts = sorted({low + (high - low + 1) * part // parts for part in range(1, parts)} - {low})
    is_date = _is_date(dialect, column)
    values = [dialect.date(cut) if is_date else str(cut) for cut in cuts]
    if not values:
        return ["TRUE"]
    middle = [f"{name} >= {start} AND {name} < {end}" for start, end in zip(values, values[1:])]
    return [f"{name} < {values[0]} OR {name} IS NULL", *middle, f"{name} >= {values[-1]}"]


def _is_date(dialect: Dialect, column: Column) -> bool:
    return dialect.type_of(column.source_type).catalog_type == "date"


def _where(predicate: str) -> str:
    return f" WHERE {predicate}" if predicate else ""
