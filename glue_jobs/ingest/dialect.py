"""What the ingest asks of a kind of database. :mod:`ingest.dialects` has those that there are.

A dialect knows a database's types, its SQL and how to connect through JDBC; it writes text and reads nothing.
:mod:`ingest.source_sql` and :mod:`ingest.watermark` make queries of what it writes. Beside it the Python
shell job needs a reader (``shell_NAME``) and the Lambdas a session, for the drivers differ there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Mapping, Protocol, Sequence


@dataclass(frozen=True)
class SourceType:
    """A type of a source's column.

    Parameters
    ----------
    name : str
        Type without modifiers, for example ``timestamp with time zone``.
    arguments : tuple of int
        Modifiers, for example ``(12, 2)``.
    catalog_type : str
        The Hive type that it is landed as; what has no counterpart is landed as text.
    is_array : bool
        Whether it is an array of that type.
    is_number : bool
        Whether its values are numbers, whatever they are landed as.
    """

    name: str
    arguments: tuple[int, ...] = ()
    catalog_type: str = "string"
    is_array: bool = False
    is_number: bool = False

    @property
    def element(self) -> SourceType:
        kind = self.catalog_type[len("array<") : -1] if self.is_array else self.catalog_type
        return replace(self, catalog_type=kind, is_array=False)


@dataclass(frozen=True)
class Address:
    """Where a database is and who asks, without a password."""

    host: str
    port: int
    dbname: str
    username: str


class Dialect(Protocol):
    """A kind of database, as text.

    An ``expression`` is SQL already; a ``name`` and a ``text`` are quoted here.
    """

    @property
    def name(self) -> str:
        """The reader of the Python shell job is ``ingest.shell_NAME``."""

    @property
    def jdbc_driver(self) -> str:
        """Class of the JDBC driver."""

    def type_of(self, source_type: str) -> SourceType:
        """Take a type apart, as the database itself prints it."""

    def quote_name(self, name: str) -> str:
        """An identifier that keeps its case and may be a reserved word."""

    def quote_text(self, text: str) -> str:
        """A string literal."""

    def literal(self, text: str, source_type: str) -> str:
        """A value of a type, from its text."""

    def text(self, expression: str) -> str:
        """A value's own text."""

    def masked(self, expression: str, action: str) -> str:
        """A value's text, masked by ``hash`` or ``tokenise`` with the session's key."""

    def wire(self, expression: str, kind: SourceType, label: str) -> str:
        """A value in its wire form; see :mod:`ingest.source_sql`. A refused one is named by the label."""

    def null_of_wire(self, kind: SourceType) -> str:
        """NULL of the type that a column has in its wire form."""

    def converted(self, expression: str, source_type: str) -> str:
        """A value of another type as one of this type; NULL when its text is none."""

    def does_not_fit(self, expression: str, source_type: str) -> str:
        """Whether a value of another type has no exact counterpart in this type."""

    def quarantine(self, rules: Mapping[str, str], values: Mapping[str, str]) -> str:
        """JSON with ``rules``, the names of those whose condition is true, and ``row``, the values' texts."""

    def newest(self, columns: str, source: str, keys: Sequence[str], by: str) -> str:
        """A query that has of the rows with the same keys the one with the greatest ``by``."""

    def days(self, expression: str) -> str:
        """A date as days since 1970-01-01."""

    def date(self, days: int) -> str:
        """The date so many days after 1970-01-01."""

    def less(self, expression: str, difference: str, source_type: str) -> str:
        """A value less a number, or for dates and timestamps less an ISO 8601 interval."""

    def session_settings(self, masking_key: bytes | None = None) -> dict[str, str]:
        """Settings that make values the same whatever is configured; some are secret."""

    @property
    def begin_snapshot(self) -> str:
        """What makes a transaction read-only and see one snapshot."""

    @property
    def export_snapshot(self) -> str:
        """A query for the name of the transaction's snapshot; empty where no other connection can see it."""

    def import_snapshot(self, snapshot_id: str) -> str:
        """Make the transaction see what the exporting one sees; it must come before any query."""

    def jdbc_url(self, address: Address) -> str: ...

    def jdbc_properties(self, session: Mapping[str, str]) -> dict[str, str]:
        """What a connection with these settings starts with, besides user and password."""

    def jdbc_statements(self, session: Mapping[str, str]) -> list[str]:
        """Settings, none of them secret, that the driver outdoes and a connection has to set again."""

    def columns_query(self, schema: str, table: str) -> str:
        """A query for (name, type, whether it may be NULL: t or f) of a table's columns, in order."""

    def distinct_values_query(self, schema: str, table: str) -> str:
        """A query for (column, about how many values), by the database's statistics."""

    def sizes_query(self, schemas: Sequence[str]) -> str:
        """A query for (schema, table, bytes, rows) by the database's statistics; no table is read for it."""
