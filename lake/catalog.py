"""What PostgreSQL's catalog says of tables and views: the facts that settings follow from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg

from lake.scaffold import SourceColumn, read_columns

KINDS = {"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table"}

_SCHEMAS = """
    SELECT nspname FROM pg_catalog.pg_namespace
    WHERE nspname NOT LIKE 'pg\\_%%' AND nspname <> 'information_schema' ORDER BY 1
"""
# What belongs to an extension, such as spatial_ref_sys of PostGIS, is no table of the user's.
_RELATIONS = """
    SELECT n.nspname, c.relname, c.relkind::text, has_table_privilege(c.oid, 'SELECT'),
           coalesce(sum(pg_table_size(leaf.oid)), 0)::bigint,
           coalesce(sum(leaf.reltuples) FILTER (WHERE leaf.reltuples >= 0), 0)::bigint,
           (SELECT a.attname FROM pg_partitioned_table p JOIN pg_attribute a
                ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
            WHERE p.partrelid = c.oid AND p.partstrat = 'r' AND p.partnatts = 1),
           c.relispopulated
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN LATERAL (SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf) tree ON true
    LEFT JOIN pg_class leaf ON leaf.oid = coalesce(tree.relid, c.oid)
    WHERE n.nspname = ANY (%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    GROUP BY n.nspname, c.oid, c.relname, c.relkind
    ORDER BY n.nspname, c.relname
"""
# A partial index or one of expressions says nothing of all rows of a column.
_INDEXES = """
    SELECT n.nspname, c.relname, i.indisunique,
           ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
                 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
                 WHERE k.place <= i.indnkeyatts ORDER BY k.place)
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY (%s) AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
    ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid
"""


@dataclass(frozen=True)
class Index:
    """An index over all rows.

    Parameters
    ----------
    columns : tuple of str
        In its order.
    is_unique : bool
        Whether it takes no two rows with the same values, unless one is NULL.
    """

    columns: tuple[str, ...]
    is_unique: bool


@dataclass(frozen=True)
class Relation:
    """A table, or what is read like one.

    Parameters
    ----------
    schema, name : str
        Where it is.
    kind : str
        One of the values of :data:`KINDS`.
    columns : tuple of SourceColumn
        In table order.
    indexes : tuple of Index
        The primary key's first, then those of few columns.
    bytes, rows : int
        About how large it is, by the last ANALYZE; 0 of a view, and of what was never analysed.
    is_readable : bool
        Whether who is connected may read it.
    partitioned_by : str
        The column that a table is partitioned by, where it is one alone, by range; else empty.
    """

    schema: str
    name: str
    kind: str
    columns: tuple[SourceColumn, ...]
    indexes: tuple[Index, ...] = ()
    bytes: int = 0
    rows: int = 0
    is_readable: bool = True
    is_populated: bool = True
    partitioned_by: str = ""

    @property
    def table_id(self) -> str:
        """``schema.table``, as settings name it."""
        return f"{self.schema}.{self.name}"

    @property
    def key(self) -> tuple[str, ...]:
        """The primary key, else the shortest unique index of columns that are never NULL; or empty."""
        primary = sorted((c for c in self.columns if c.key_position), key=lambda c: c.key_position)
        if primary:
            return tuple(c.name for c in primary)
        never_null = {c.name for c in self.columns if c.not_null}
        found = (
            i.columns for i in self.indexes if i.is_unique and i.columns and never_null.issuperset(i.columns)
        )
        return next(found, ())

    @property
    def ordered_by(self) -> frozenset[str]:
        """Columns that an index begins with: rows above a value are found without reading the others."""
        return frozenset(index.columns[0] for index in self.indexes if index.columns)


def schemas_of(connection: psycopg.Connection) -> list[str]:
    """The schemas of users."""
    return [row[0] for row in connection.execute(_SCHEMAS).fetchall()]


def read_relations(connection: psycopg.Connection, schemas: Sequence[str]) -> list[Relation]:
    """Everything in the schemas that can be read like a table, but partitions and parts of extensions."""
    names = list(schemas)
    columns: Mapping[tuple[str, str], list[SourceColumn]] = defaultdict(list)
    for column in read_columns(connection, names):
        columns[column.schema, column.table].append(column)
    indexes: Mapping[tuple[str, str], list[Index]] = defaultdict(list)
    for schema, name, is_unique, of_index in connection.execute(_INDEXES, (names,)).fetchall():
        indexes[schema, name].append(Index(tuple(of_index), is_unique))
    return [
        Relation(
            schema,
            name,
            KINDS[kind],
            tuple(columns[schema, name]),
            tuple(indexes[schema, name]),
            size,
            rows,
            is_readable,
            is_populated,
            partitioned_by or "",
        )
        for schema, name, kind, is_readable, size, rows, partitioned_by, is_populated in connection.execute(
            _RELATIONS, (names,)
        ).fetchall()
    ]
