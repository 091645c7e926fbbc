"""Signing in to the on-premises database with what its secret holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import Connection

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 30
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


@contextmanager
def session(secret: Mapping[str, Any], application: str) -> Iterator[Connection]:
    """A connection that ends with the block. It is encrypted where the server can do so.

    Parameters
    ----------
    secret : mapping
        As :func:`parse_secret` gives it.
    application : str
        What the database's administrator sees in ``pg_stat_activity``.

    Raises
    ------
    SignInRefusedError
        If the user or the password is wrong.
    DatabaseUnreachableError
        If nothing answers, or the session is cut.
    """
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
        yield connection
    except (InterfaceError, OSError) as error:
        raise DatabaseUnreachableError(f"The session with the database was cut: {error}") from error
    finally:
        connection.close()


def _refusal(error: DatabaseError, secret: Mapping[str, Any]) -> Exception:
    """SQLSTATE class 28 is about the user; every other refusal of a session passes by itself."""
    details = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    message = f"The database refuses {secret['username']}: {details.get('M', error)}"
    if str(details.get("C", "")).startswith("28"):
        return SignInRefusedError(message)
    return DatabaseUnreachableError(message)
