"""DuckDB macros for what is written often, and for errors that ``TRY`` can catch."""

from __future__ import annotations

MACROS: tuple[str, ...] = (
    # A failed conversion is what ``TRY`` makes NULL of; ``error()`` is refused by it. The marks are those of
    # :class:`millpond.planes.athena.exceptions.KernelFailed`.
    """trino_fail(message) AS CAST(chr(2) || message || chr(3) AS INTEGER)""",
    """trino_stored_char(s, size) AS
       CASE WHEN length(rtrim(s, ' ')) > size
              THEN CAST(trino_fail('INVALID_CAST_ARGUMENT: Cannot truncate non-space characters on INSERT')
                        AS VARCHAR)
            ELSE rpad(s, size, ' ') END""",
)


def create_macros() -> list[str]:
    """The statements that define them."""
    return [f"CREATE TEMP MACRO {macro}" for macro in MACROS]
