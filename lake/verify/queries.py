"""The queries of a comparison, for either side.

A cell's hash is the MD5 of its canonical text, NULL for NULL. A row's hash is the MD5 of its cells'
hashes, one after the other, with ``-`` for NULL: no value can be taken for another, because every part
is either 32 digits or a dash. What is summed are the first 15 hexadecimal digits of a hash, so neither
the order of the rows nor how often one occurs is lost or matters.
"""

# ruff: noqa: S608 - every name comes quoted from a catalog

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lake.verify import canonical
from lake.verify.canonical import PostgreSQLSql, SourceSql
from lake.verify.structure import Table

POSTGRESQL = PostgreSQLSql()

BUCKET_DIGITS = 3

# PostgreSQL and Trino take about 100 and 127 arguments; what is longer is joined in pieces.
_MAX_ARGUMENTS = 90


@dataclass(frozen=True)
class Side:
    """One side of the comparison, ready to write queries.

    Parameters
    ----------
    source : str
        The table, quoted.
    texts : tuple of str
        SQL for each canonical text.
    key : tuple of int
        Which of them identify a row; empty when the table has no key, and then all do.
    digest, number : callable
        SQL for the hash of a text, and for the number of a hash.
    fence : str
        What follows a subquery so that the planner computes its columns once.
    varchar : callable
        SQL for the text of a number.
    without : tuple of str
        Hashes of keys whose rows are left out.
    """

    source: str
    texts: tuple[str, ...]
    key: tuple[int, ...]
    digest: Callable[[str], str]
    number: Callable[[str], str]
    fence: str
    varchar: Callable[[str], str]
    without: tuple[str, ...] = ()

    def summary(self) -> str:
        """One row: the number of rows, the rows' checksum, and each column's checksum."""
        sums = [self._sum("row_hash"), *(self._sum(f"h{i}") for i in range(len(self.texts)))]
        return f"SELECT {_list([self.varchar('count(*)'), *sums])} FROM {self._hashed_rows()}"

    def buckets(self) -> str:
        """For each beginning of a key's hash: number of rows and their checksum."""
        bucket = f"substr(key_hash, 1, {BUCKET_DIGITS})"
        return (
            f"SELECT {_list([bucket, self.varchar('count(*)'), self._sum('row_hash')])}"
            f" FROM {self._hashed_rows()} GROUP BY {bucket}"
        )

    def rows(self, buckets: Sequence[str]) -> str:
        """The rows in these buckets: key hash, row hash, each cell's hash, each key text."""
        wanted = ", ".join(f"'{bucket}'" for bucket in buckets)
        columns = ["key_hash", "row_hash", *(f"h{i}" for i in range(len(self.texts)))]
        columns += [f"k{i}" for i in self.key]
        return (
            f"SELECT {_list(columns)} FROM {self._hashed_rows()}"
            f" WHERE substr(key_hash, 1, {BUCKET_DIGITS}) IN ({wanted})"
        )

    def keys(self) -> str:
        """The hash of each key that has no NULL in it."""
        present = " AND ".join(f"h{i} IS NOT NULL" for i in self.key)
        return f"SELECT key_hash FROM {self._hashed_rows()} WHERE {present}"

    def _hashed_rows(self) -> str:
        if not self.without:
            return self._all_hashed_rows()
        keys = ", ".join(f"'{key}'" for key in self.without)
        return f"(SELECT * FROM {self._all_hashed_rows()} WHERE key_hash NOT IN ({keys})) AS others"

    def _all_hashed_rows(self) -> str:
        indices = range(len(self.texts))
        texts = _list([f"{text} AS t{i}" for i, text in enumerate(self.texts)])
        cells = _list(
            [*(f"{self.digest(f't{i}')} AS h{i}" for i in indices), *(f"t{i} AS k{i}" for i in self.key)]
        )
        hashes = _list(
            [
                *(f"h{i}" for i in indices),
                *(f"k{i}" for i in self.key),
                f"{self._joint_hash(indices)} AS row_hash",
                f"{self._joint_hash(self.key or indices)} AS key_hash",
            ]
        )
        source = f"(SELECT {texts} FROM {self.source}{self.fence}) AS texts"
        return (
            f"(SELECT {hashes} FROM (SELECT {cells} FROM {source}{self.fence}) AS cells{self.fence}) AS rows_"
        )

    def _joint_hash(self, indices: Sequence[int]) -> str:
        return self.digest(_concat([f"coalesce(h{i}, '-')" for i in indices]))

    def _sum(self, digest: str) -> str:
        return self.varchar(f"coalesce(sum(CAST({self.number(digest)} AS decimal(38,0))), 0)")


def source_side(table: Table, sql: SourceSql = POSTGRESQL) -> Side:
    """The queries for the source, over the rows that the lake must have."""
    return _source_side(table, source_rows(table, sql), sql)


def quarantined_keys(table: Table, sql: SourceSql = POSTGRESQL) -> str | None:
    """A query of the source for the hashes of keys whose rows in the lake are older than the source's.

    The row of such a key is in quarantine, and the table is not one that every run replaces.
    """
    is_bad = _violations(table, sql)
    if not is_bad or not table.key or table.is_replaced:
        return None
    return _source_side(table, f"(SELECT * FROM {_newest(table, sql)} WHERE {is_bad}) AS bad", sql).keys()


def _source_side(table: Table, source: str, sql: SourceSql) -> Side:
    return Side(
        source=source,
        texts=tuple(canonical.source_texts(sql, table)),
        key=_key(table),
        digest=sql.digest,
        number=sql.number,
        fence=sql.fence,
        varchar=sql.varchar,
    )


def source_rows(table: Table, sql: SourceSql = POSTGRESQL) -> str:
    """The rows of the source that the lake must have, to stand in a FROM clause."""
    source, is_bad = _newest(table, sql), _violations(table, sql)
    wanted = [*_kept(table, sql), *([f"NOT ({is_bad})"] if is_bad else [])]
    if not wanted:
        return source
    return f"(SELECT * FROM {source} WHERE {' AND '.join(wanted)}) AS wanted"


def quarantined_rows(table: Table, sql: SourceSql = POSTGRESQL) -> str | None:
    """A query of the source for the rows that must be in quarantine, as JSON; None if none can be."""
    is_bad = _violations(table, sql)
    if not is_bad:
        return None
    texts = [
        sql.masked(sql.name(c.source_name), c.action) if c.action else sql.own_text(sql.name(c.source_name))
        for c in table.columns
    ]
    row = sql.json_row([c.name for c in table.columns], texts)
    wanted = [f"({is_bad})"]
    if table.rows.filter is not None and table.rows.operation_column is None:
        wanted.append(f"({table.rows.filter}\n) IS TRUE")
    return f"SELECT {row} FROM {_newest(table, sql)} WHERE {' AND '.join(wanted)}"


def quarantine_query(table: Table) -> str:
    """A query of Athena for the rows of a table that are in quarantine."""
    table_id = table.table_id.replace("'", "''")
    return f'SELECT DISTINCT "row" FROM "operations"."quarantine" WHERE table_id = \'{table_id}\''


def _newest(table: Table, sql: SourceSql) -> str:
    """The source; of a table of changes the newest change of every key."""
    source = f"{sql.name(table.source_schema)}.{sql.name(table.source_table)}"
    if table.rows.sequence_column is None:
        return source
    keys = [sql.name(key) for key in table.key]
    return f"{sql.newest(source, keys, sql.name(table.rows.sequence_column))} AS newest"


def _kept(table: Table, sql: SourceSql) -> list[str]:
    """Conditions of a row that the lake keeps, whatever its quality."""
    kept = [f"({table.rows.filter}\n) IS TRUE"] if table.rows.filter is not None else []
    if table.rows.operation_column is not None:
        kept.append(f"{sql.own_text(sql.name(table.rows.operation_column))} IN ('I', 'U')")
    return kept


def _violations(table: Table, sql: SourceSql) -> str:
    """The condition under which a row belongs in quarantine; empty when there is none."""
    nullable = {column.source_name for column in table.columns if column.nullable}
    found = [f"{sql.name(key)} IS NULL" for key in table.key if key in nullable]
    if table.rows.operation_column is not None:
        operation = sql.own_text(sql.name(table.rows.operation_column))
        found.append(f"coalesce({operation}, '') NOT IN ('I', 'U', 'D')")
    kept = "".join(f" AND {condition}" for condition in _kept(table, sql))
    found += [f"(({check}\n) IS FALSE{kept})" for check in table.rows.checks]
    return " OR ".join(found)


def athena_side(table: Table, without: Sequence[str] = ()) -> Side:
    """The queries for Athena, in the SQL of its engine version 3; ``without`` these hashes of keys."""
    name = canonical.athena_name
    return Side(
        source=f"{name(table.database)}.{name(table.table)}",
        texts=tuple(canonical.athena_texts(table)),
        key=_key(table),
        digest=lambda text: f"lower(to_hex(md5(to_utf8({text}))))",
        number=lambda digest: f"from_base(substr({digest}, 1, 15), 16)",
        fence="",
        varchar=_varchar,
        without=tuple(without),
    )


def _key(table: Table) -> tuple[int, ...]:
    positions = {column.source_name: i for i, column in enumerate(table.columns)}
    return tuple(positions[name] for name in table.key)


def _concat(parts: list[str]) -> str:
    while len(parts) > _MAX_ARGUMENTS:
        pieces = [parts[i : i + _MAX_ARGUMENTS] for i in range(0, len(parts), _MAX_ARGUMENTS)]
        parts = [_concat(piece) for piece in pieces]
    return f"concat({', '.join(parts)}, '')"


def _varchar(expression: str) -> str:
    return f"CAST({expression} AS varchar)"


def _list(parts: Sequence[str]) -> str:
    return ", ".join(parts)
