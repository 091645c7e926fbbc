"""Which rows an incremental run reads.

The window is closed at both ends: from the committed watermark to the greatest value that the run's
snapshot holds. Rows *at* the lower end are read again, because a row with an equal value may have been
committed after the snapshot of the run before; that is harmless, since rows are merged by key. A row
whose watermark is NULL would never be in a window, so those are read each time.

A transaction that was open while a run read, and that wrote a value *below* the greatest one seen, is
found by the next run when the value lies within the overlap; otherwise it is missed until the row
changes again, so the overlap must be longer than the source's longest transaction.
"""

# ruff: noqa: S608 (names and literals are quoted by the dialect)

from __future__ import annotations

from dataclasses import dataclass

from ingest.dialect import Dialect
from ingest.settings import JobSettings
from ingest.source_sql import source_table
from ingest.structures import Column


@dataclass(frozen=True)
class Window:
    """A range of watermarks, as the database's text of them.

    Parameters
    ----------
    lower : str or None
        Committed watermark, or None to read from the start.
    upper : str or None
        Greatest watermark in the snapshot, or None when there is none yet.
    overlap : str or None
        How far below ``lower`` to read again for rows that were committed late: an ISO 8601 interval for
        dates and timestamps, a number for numbers.
    """

    lower: str | None
    upper: str | None
    overlap: str | None = None


def greatest(dialect: Dialect, settings: JobSettings, column: Column, lower: str | None) -> str:
    """A query for the upper end; never below the lower end, also when the newest rows were deleted."""
    value = f"max({dialect.quote_name(column.source_name)})"
    if lower is not None:
        least = dialect.literal(lower, column.source_type)
        value = f"greatest(coalesce({value}, {least}), {least})"
    return f"SELECT {dialect.text(value)} FROM {source_table(dialect, settings)}"


def predicate(dialect: Dialect, column: Column, window: Window, *, is_open: bool = False) -> str:
    """The SQL condition for the rows of a window; empty for every row.

    Parameters
    ----------
    dialect : Dialect
    column : Column
    window : Window
    is_open : bool
        Whether rows at the lower end itself are known to be complete, and left out when there is no
        overlap.
    """
    name = dialect.quote_name(column.source_name)
    if window.lower is None or window.upper is None:
        return ""
    lower, compare = dialect.literal(window.lower, column.source_type), ">" if is_open else ">="
    if window.overlap is not None:
        lower, compare = dialect.less(lower, window.overlap, column.source_type), ">="
    inside = f"{name} {compare} {lower} AND {name} <= {dialect.literal(window.upper, column.source_type)}"
    return f"({inside} OR {name} IS NULL)" if column.nullable else f"({inside})"
