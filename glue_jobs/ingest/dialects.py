"""The kinds of database that can be ingested, by the ``engine`` of their secret."""

from __future__ import annotations

from ingest.dialect import Dialect
from ingest.errors import IngestError
from ingest.mysql import MySQL
from ingest.postgresql import PostgreSQL

DIALECTS: dict[str, Dialect] = {
    "postgres": PostgreSQL(),
    "postgresql": PostgreSQL(),
    "mysql": MySQL(),
    "mariadb": MySQL(),
}


def dialect_of(engine: str, where: str) -> Dialect:
    """The dialect of a secret's ``engine``.

    Raises
    ------
    IngestError
        If there is none; it says where the engine is named.
    """
    if engine not in DIALECTS:
        raise IngestError(f"{where} is for {engine!r}; only {', '.join(DIALECTS)} can be read.")
    return DIALECTS[engine]
