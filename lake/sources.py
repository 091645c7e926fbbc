"""The database that the lake is fed from: the stack's own, or the one that somebody has at work."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg
from ingest.dialects import dialect_of
from psycopg import conninfo

from lake import load as loading
from lake import mysql
from lake.databases import Database, PostgreSQLDatabase
from lake.verify.canonical import SourceSql
from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.client.aws import Aws
from millpond.stack.onprem import OnPremDatabase

POSTGRESQL_SCHEMES = ("postgresql://", "postgres://")
MYSQL_SCHEMES = ("mysql://", "mariadb://")
SCHEMES = (*POSTGRESQL_SCHEMES, *MYSQL_SCHEMES)
# What the secret of the database has a place for; docs/contracts.md.
_OF_THE_SECRET = {"host", "port", "dbname", "user", "password"}
_CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Source:
    """A database, and how jobs sign in to it.

    Parameters
    ----------
    secret : mapping
        What the secret of the jobs holds: engine, host, port, dbname, username, password.
    own : OnPremDatabase, optional
        Where it is the stack's own.
    name : str
        What the catalog calls a schema ``public``.
    """

    secret: Mapping[str, str | int] = field(repr=False)
    own: OnPremDatabase | None
    name: str

    @property
    def address(self) -> str:
        """For a person, without the password."""
        held, scheme = self.secret, "mysql" if self.is_mysql else "postgresql"
        return f"{scheme}://{held['username']}@{held['host']}:{held['port']}/{held['dbname']}"

    @property
    def is_mysql(self) -> bool:
        """Whether it is a MySQL or MariaDB, and no PostgreSQL."""
        engine = str(self.secret["engine"])
        return dialect_of(engine, "The secret of the database").name == mysql.MySQLDatabase.dialect.name

    @property
    def sql(self) -> SourceSql:
        """What the comparison asks of it."""
        return mysql.MySQLDatabase.sql if self.is_mysql else PostgreSQLDatabase.sql

    def open(self, session: Mapping[str, str] | None = None) -> Database:
        """A connection, whatever kind of database it is.

        Raises
        ------
        MillpondError
            If the database does not answer, or does not let the user in.
        """
        if self.is_mysql:
            return mysql.connect(self.secret, self.address, session or {})
        return PostgreSQLDatabase(self.connection(session))

    def connection(self, session: Mapping[str, str] | None = None) -> psycopg.Connection:
        """A connection to a PostgreSQL: to the stack's own as its administrator, to another as the jobs.

        Raises
        ------
        MillpondError
            If the database does not answer, or does not let the role in.
        """
        if self.own is not None:
            return self.own.connection(session=session)
        held = self.secret
        try:
            return psycopg.connect(
                host=str(held["host"]),
                port=held["port"],
                dbname=str(held["dbname"]),
                user=str(held["username"]),
                password=str(held["password"]),
                connect_timeout=_CONNECT_SECONDS,
                application_name="millpond lake",
                options=" ".join(f"-c {name}={value}" for name, value in (session or {}).items()),
            )
        except psycopg.OperationalError as error:
            raise MillpondError(
                "The database does not answer, or does not let this role in.",
                where=self.address,
                next_step="see that this machine reaches the address, for example over the VPN of the site, "
                "and that user and password are right",
                detail=str(error).strip(),
            ) from error


def own_source(settings: Settings, name: str = "") -> Source:
    """The stack's own database."""
    database = OnPremDatabase(settings)
    return Source(database.secret(), database, name or database.database)


def source_of_url(url: str) -> Source:
    """A database by its address; ``PGPASSWORD``, or ``MYSQL_PWD``, stands in for a password that it lacks.

    Raises
    ------
    MillpondError
        If the address says too little, or more than the jobs' secret has a place for.
    """
    if url.startswith(MYSQL_SCHEMES):
        return _source_of(_mysql_parts(url), "mysql", 3306, "MYSQL_PWD")
    try:
        parts = {
            name: str(value) for name, value in conninfo.conninfo_to_dict(url).items() if value is not None
        }
    except psycopg.ProgrammingError as error:
        raise MillpondError(f"This is no address of a PostgreSQL: {error}.", next_step=_EXAMPLE) from error
    return _source_of(parts, "postgres", 5432, "PGPASSWORD")


def _mysql_parts(url: str) -> dict[str, str]:
    try:
        address = urlsplit(url)
        port = address.port
    except ValueError as error:
        raise MillpondError(f"This is no address of a MySQL: {error}.", next_step=_MYSQL_EXAMPLE) from error
    parts = {
        "host": address.hostname or "",
        "port": str(port or ""),
        "dbname": unquote(address.path.removeprefix("/")),
        "user": unquote(address.username or ""),
        "password": unquote(address.password or ""),
        **dict(parse_qsl(address.query, keep_blank_values=True)),
    }
    return {name: value for name, value in parts.items() if value or name not in _OF_THE_SECRET}


def _source_of(parts: dict[str, str], engine: str, port: int, variable: str) -> Source:
    if surplus := sorted(set(parts) - _OF_THE_SECRET):
        raise MillpondError(
            f"The jobs cannot be told {', '.join(surplus)}: their secret has no place for it.",
            next_step="leave it out; jobs and functions encrypt where the server does",
        )
    parts.setdefault("password", os.environ.get(variable, ""))
    example = _MYSQL_EXAMPLE if engine == "mysql" else _EXAMPLE
    if missing := [name for name in ("host", "dbname", "user", "password") if not parts.get(name)]:
        raise MillpondError(
            f"The address of the database lacks: {', '.join(missing)}.",
            next_step=f"{example}; {variable} may have the password",
        )
    return Source(
        {
            "engine": engine,
            "host": parts["host"],
            "port": int(parts.get("port", port)),
            "dbname": parts["dbname"],
            "username": parts["user"],
            "password": parts["password"],
        },
        None,
        parts["dbname"],
    )


_EXAMPLE = "millpond lake add postgresql://USER:PASSWORD@HOST:5432/DATABASE"
_MYSQL_EXAMPLE = "millpond lake add mysql://USER:PASSWORD@HOST:3306/DATABASE"


def current_source(settings: Settings, aws: Aws) -> Source:
    """The database that the jobs' secret names; the stack's own, where it has no value yet.

    Raises
    ------
    MillpondError
        If the secret's value is no address.
    """
    secret_id = f"{settings.project}/{settings.environment}/onprem-db"
    secrets = aws.secretsmanager
    try:
        held = json.loads(secrets.get_secret_value(SecretId=secret_id)["SecretString"])
        address = held["host"], held["port"], held["dbname"]
    except secrets.exceptions.ResourceNotFoundException:
        return own_source(settings)
    except (ValueError, KeyError, TypeError):
        # Nothing of the error is shown: it has the text of the secret.
        raise MillpondError(
            f"The secret {secret_id} does not name a database by host, port and dbname.",
            where="docs/contracts.md",
            next_step="millpond lake add, which puts it",
        ) from None
    own = OnPremDatabase(settings)
    is_own = aws.is_local and address == (*settings.onprem_address, own.database)
    return Source(held, own if is_own else None, held["dbname"])


def put_secrets(settings: Settings, aws: Aws, source: Source) -> bool:
    """Let jobs sign in to this database; whether their secret was changed.

    Raises
    ------
    MillpondError
        If the secrets do not exist yet: Terraform makes them.
    """
    changed = loading.put_secret(settings, aws.secretsmanager, dict(source.secret))
    loading.put_masking_key(settings, aws.secretsmanager)
    return changed


def is_dump(text: str) -> bool:
    """Whether it names a file, and no address."""
    return not text.startswith(SCHEMES) and Path(text).is_file()
