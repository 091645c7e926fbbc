"""How large the source's tables are, from PostgreSQL's own statistics: no table is read for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from onprem import session

# A partitioned table's data is in its leaves. reltuples is -1 before the first ANALYZE (pg_class).
_SIZES = """
    SELECT n.nspname, c.relname,
           sum(pg_table_size(leaf.oid))::bigint,
           sum(leaf.reltuples) FILTER (WHERE leaf.reltuples >= 0)::bigint
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN LATERAL (SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf) tree ON true
    JOIN pg_class leaf ON leaf.oid = coalesce(tree.relid, c.oid)
    WHERE c.relkind IN ('r', 'p', 'm', 'f') AND n.nspname = ANY (CAST(:schemas AS text[]))
    GROUP BY n.nspname, c.relname
"""


@dataclass(frozen=True)
class Size:
    """About how large a table is; ``rows`` is None when PostgreSQL has never counted."""

    bytes: int
    rows: int | None


def read_sizes(secret: Mapping[str, Any], schemas: Iterable[str]) -> dict[tuple[str, str], Size]:
    """The size of every table of some schemas, by schema and table."""
    with session(secret, "millpond-plan") as connection:
        rows = connection.run(_SIZES, schemas=sorted(set(schemas)))
    return {
        (schema, table): Size(int(size or 0), None if count is None else int(count))
        for schema, table, size, count in rows
    }
