"""PostgreSQL's types, and the catalog's type for each (docs/contracts.md, "Types")."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORMAT = re.compile(
    r"(?P<base>.+?)(?:\((?P<arguments>[^()]*)\))?(?P<zone> with(?:out)? time zone)?(?P<array>(?:\[\])*)"
)

_CATALOG_TYPES = {
    "smallint": "smallint",
    "integer": "int",
    "bigint": "bigint",
    "real": "float",
    "double precision": "double",
    "boolean": "boolean",
    "date": "date",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "bytea": "binary",
}

INTEGERS = ("smallint", "integer", "bigint")
TIMESTAMPS = ("timestamp without time zone", "timestamp with time zone")

_MAX_PRECISION = 38
_MAX_CHAR_LENGTH = 255


@dataclass(frozen=True)
class SourceType:
    """A type as PostgreSQL's ``format_type`` prints it, in parts.

    Parameters
    ----------
    name : str
        Type without modifiers, for example ``timestamp with time zone``.
    arguments : tuple of int
        Modifiers, for example ``(12, 2)``.
    is_array : bool
        Whether it is an array of that type. PostgreSQL's types do not say how many dimensions.
    """

    name: str
    arguments: tuple[int, ...] = ()
    is_array: bool = False

    @classmethod
    def parse(cls, text: str) -> SourceType:
        """Take the output of ``format_type`` apart.

        Examples
        --------
        >>> SourceType.parse("timestamp(3) with time zone[]")
        SourceType(name='timestamp with time zone', arguments=(3,), is_array=True)
        """
        match = _FORMAT.fullmatch(text)
        if match is None:
            return cls(text)
        arguments = match["arguments"] or ""
        try:
            numbers = tuple(int(part) for part in arguments.split(",") if part.strip())
        except ValueError:
            return cls(text)
        return cls(match["base"] + (match["zone"] or ""), numbers, bool(match["array"]))

    @property
    def element(self) -> SourceType:
        return SourceType(self.name, self.arguments)

    @property
    def is_decimal(self) -> bool:
        """Whether the catalog has a decimal that holds every value except NaN."""
        if self.name != "numeric" or len(self.arguments) != 2:
            return False
        precision, scale = self.arguments
        return precision <= _MAX_PRECISION and 0 <= scale <= precision

    @property
    def is_char(self) -> bool:
        """Whether the catalog has a ``char`` as long."""
        return self.name == "character" and len(self.arguments) == 1 and self.arguments[0] <= _MAX_CHAR_LENGTH

    @property
    def catalog_type(self) -> str:
        """The Hive type that it is landed as; what has no counterpart is landed as text."""
        if self.is_decimal:
            scalar = "decimal({},{})".format(*self.arguments)
        elif self.is_char:
            scalar = "char({})".format(*self.arguments)
        else:
            scalar = _CATALOG_TYPES.get(self.name, "string")
        return f"array<{scalar}>" if self.is_array else scalar
