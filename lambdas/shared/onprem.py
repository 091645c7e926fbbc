"""Signing in to the on-premises database with what its secret holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
import pymysql
from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import Connection

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 30
MYSQL_ENGINES = ("mysql", "mariadb")
# Of "Server Error Message Reference": access denied, by password, by plug-in, or to the database.
MYSQL_SIGN_IN_ERRORS = (1044, 1045, 1698)
MYSQL_CLIENT_ERRORS = 2000
# The server is being shut down, or somebody ended the session.
MYSQL_SHUTDOWN_ERRORS = (1053, 1927)
SECRET_KEYS = ("engine", "host", "port", "dbname", "username", "password")


class DatabaseUnreachableError(Exception):
    """The database does not answer, or ended the session: worth another try."""


class SignInRefusedError(Exception):
    """The database answers and does not take the user or the password."""


class BadSecretError(Exception):
    """The secret is not a JSON object with the keys of a database secret."""


def parse_secret(text: str) -> dict[str, Any]:
    """The secret's JSON, which has every key that a connection needs (docs/contracts.md)."""
    try:
        secret = json.loads(text)
    except json.JSONDecodeError as error:
        # Not the error's own text: it would show the secret.
        raise BadSecretError("The database's secret is not JSON.") from error
    missing = [key for key in SECRET_KEYS if not isinstance(secret, dict) or key not in secret]
    if missing:
        raise BadSecretError(f"The database's secret has no {', '.join(missing)}.")
    return dict(secret)


def read_secret(secret_id: str) -> dict[str, Any]:
    """The current version of a secret."""
    answer = boto3.client("secretsmanager").get_secret_value(SecretId=secret_id)
    return parse_secret(answer["SecretString"])


class MySQLSession:
    """A connection to a MySQL or MariaDB that is asked as pg8000's are."""

    def __init__(self, connection: pymysql.connections.Connection[Any]) -> None:
        self._connection = connection

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())


@contextmanager
def session(secret: Mapping[str, Any], application: str) -> Iterator[Connection | MySQLSession]:
    """A connection that ends with the block. It is encrypted where the server can do so.

    Parameters
    ----------
    secret : mapping
        As :func:`parse_secret` gives it.
    application : str
        What the database's administrator sees of it, in ``pg_stat_activity`` for example.

    Raises
    ------
    SignInRefusedError
        If the user or the password is wrong.
    DatabaseUnreachableError
        If nothing answers, or the session is cut.
    """
    if secret["engine"] in MYSQL_ENGINES:
        with _mysql_session(secret, application) as connected:
            yield connected
        return
    try:
        connection = Connection(
            str(secret["username"]),
            host=str(secret["host"]),
            port=int(secret["port"]),
            database=str(secret["dbname"]),
            password=str(secret["password"]),
            timeout=CONNECT_SECONDS + STATEMENT_SECONDS,
            application_name=application,
        )
    except (InterfaceError, OSError) as error:
        where = f"{secret['host']}:{secret['port']}"
        raise DatabaseUnreachableError(f"The database at {where} does not answer: {error}") from error
    except DatabaseError as error:
        raise _refusal(error, secret) from error
    try:
        connection.run(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")
        # Then every type that is not PostgreSQL's own is told with its schema.
        connection.run("SET search_path = ''")
        yield connection
    except (InterfaceError, OSError) as error:
        raise DatabaseUnreachableError(f"The session with the database was cut: {error}") from error
    finally:
        connection.close()


@contextmanager
def _mysql_session(secret: Mapping[str, Any], application: str) -> Iterator[MySQLSession]:
    where = f"{secret['host']}:{secret['port']}"
    try:
        connection = pymysql.connect(
            user=str(secret["username"]),
            password=str(secret["password"]),
            host=str(secret["host"]),
            port=int(secret["port"]),
            database=str(secret["dbname"]),
            charset="utf8mb4",
            connect_timeout=CONNECT_SECONDS,
            read_timeout=STATEMENT_SECONDS,
            program_name=application,
            autocommit=True,
        )
    except pymysql.OperationalError as error:
        if error.args[0] in MYSQL_SIGN_IN_ERRORS:
            message = f"The database refuses {secret['username']}: {error.args[-1]}"
            raise SignInRefusedError(message) from error
        raise DatabaseUnreachableError(f"The database at {where} does not answer: {error}") from error
    try:
        yield MySQLSession(connection)
    except (pymysql.InterfaceError, pymysql.OperationalError, OSError) as error:
        if isinstance(error, pymysql.OperationalError) and not _is_cut(error):
            raise
        raise DatabaseUnreachableError(f"The session with the database was cut: {error}") from error
    finally:
        connection.close()


def _is_cut(error: pymysql.OperationalError) -> bool:
    """Whether the session is gone: by the client's own errors, or the server that ends it."""
    return int(error.args[0]) >= MYSQL_CLIENT_ERRORS or error.args[0] in MYSQL_SHUTDOWN_ERRORS


def _refusal(error: DatabaseError, secret: Mapping[str, Any]) -> Exception:
    """SQLSTATE class 28 is about the user; every other refusal of a session passes by itself."""
    details = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    message = f"The database refuses {secret['username']}: {details.get('M', error)}"
    if str(details.get("C", "")).startswith("28"):
        return SignInRefusedError(message)
    return DatabaseUnreachableError(message)
