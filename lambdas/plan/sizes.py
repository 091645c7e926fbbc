"""How large the source's tables are, from the database's own statistics: no table is read for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ingest.dialects import dialect_of
from onprem import session


@dataclass(frozen=True)
class Size:
    """About how large a table is; ``rows`` is None when the database has never counted."""

    bytes: int
    rows: int | None


def read_sizes(secret: Mapping[str, Any], schemas: Iterable[str]) -> dict[tuple[str, str], Size]:
    """The size of every table of some schemas, by schema and table."""
    query = dialect_of(secret["engine"], "The database's secret").sizes_query(sorted(set(schemas)))
    with session(secret, "millpond-plan") as connection:
        rows = connection.run(query)
    return {
        (schema, table): Size(int(size or 0), None if count is None else int(count))
        for schema, table, size, count in rows
    }
