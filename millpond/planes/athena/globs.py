"""File names as DuckDB takes them: as patterns."""

from __future__ import annotations

from millpond.planes.athena.exceptions import NotSupported


def escape_glob(path: str) -> str:
    """The pattern that matches one file alone.

    Raises
    ------
    NotSupported
        For a question mark, which DuckDB has no escape for.
    """
    if "?" in path:
        raise NotSupported(f"The file name {path}")
    return "".join(f"[{c}]" if c in "*[" else c for c in path)
