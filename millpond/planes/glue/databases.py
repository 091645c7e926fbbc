"""The database behind a connection: where it is, who asks, and a way in.

Source: "Connection API" in the Glue API Reference, for the properties; a connection names its database by a
URL of JDBC, or by host, port and engine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from millpond.planes.common.credentials import Clients
from millpond.planes.glue.exceptions import InvalidInputException

_URL = re.compile(r"jdbc:(?P<engine>\w+)://(?P<host>[^:/?]+)(?::(?P<port>\d+))?(?:/(?P<database>[^?;]*))?")
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}
_SECONDS = 10
_LAST_PORT = 65_535
# The types of connections that name their engine; others are JDBC, and their URL names it.
_TYPES = {"POSTGRESQL": "postgresql", "MYSQL": "mysql"}
_HINT = (
    "Check that your connection definition references your JDBC database with correct URL syntax, "
    "username, and password."
)

ReadSecret = Callable[[str], str]


@dataclass(frozen=True)
class Database:
    """A database and who asks.

    Parameters
    ----------
    engine : str
        ``postgresql``, ``mysql`` or ``mariadb``.
    host, port : str, int
        Where it listens.
    name : str
        Of the database; empty for none.
    user, password : str
        Who asks.
    needs_tls : bool
        Whether nothing is said without TLS.
    """

    engine: str
    host: str
    port: int
    name: str
    user: str
    password: str
    needs_tls: bool = False

    def __repr__(self) -> str:
        return f"Database({self.engine}://{self.host}:{self.port}/{self.name})"

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """A connection of DB-API.

        Raises
        ------
        InvalidInputException
            If it cannot be had, in the words of AWS with those of the driver.
        """
        import psycopg
        import pymysql

        try:
            connection = self._connect()
        except (psycopg.Error, pymysql.Error, OSError) as error:
            raise InvalidInputException(f"{_HINT} {str(error).strip()}") from error
        try:
            yield connection
        finally:
            connection.close()

    def _connect(self) -> Any:
        if self.engine == "postgresql":
            import psycopg

            return psycopg.connect(
                host=self.host,
                port=self.port,
                dbname=self.name or "postgres",
                user=self.user,
                password=self.password,
                connect_timeout=_SECONDS,
                sslmode="require" if self.needs_tls else "prefer",
            )
        import pymysql

        return pymysql.connect(
            host=self.host,
            port=self.port,
            database=self.name or None,
            user=self.user,
            password=self.password,
            connect_timeout=_SECONDS,
            ssl={"check_hostname": False} if self.needs_tls else None,
        )


def database_of(connection: Mapping[str, Any], read_secret: ReadSecret) -> Database:
    """The database that a connection names.

    Parameters
    ----------
    connection : mapping
        ``Connection`` or ``ConnectionInput`` of the API.
    read_secret : callable
        Name or ARN of a secret → its text.

    Raises
    ------
    InvalidInputException
        If it names none, or one of a kind that is not read here.
    """
    properties = connection.get("ConnectionProperties") or {}
    engine, host, port, name = _place(str(connection.get("ConnectionType")), properties)
    if engine not in _PORTS:
        raise InvalidInputException(
            f"The database {engine or '(none)'} of the connection is not one that is reached here: "
            "PostgreSQL, MySQL and MariaDB are."
        )
    user, password = _who(connection, properties, read_secret)
    tls = str(properties.get("JDBC_ENFORCE_SSL", "")).lower() == "true"
    return Database(engine, host, port or _PORTS[engine], name, user, password, tls)


def read_secret(clients: Clients, secret: str) -> str:
    """The text of a secret.

    Raises
    ------
    InvalidInputException
        If it cannot be read.
    """
    try:
        return str(clients.own("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])
    except ClientError as error:
        raise InvalidInputException(f"The secret {secret} cannot be read: {error}") from error


def _place(kind: str, properties: Mapping[str, Any]) -> tuple[str, str, int, str]:
    url = str(properties.get("JDBC_CONNECTION_URL") or "")
    if url:
        found = _URL.match(url)
        if found is None:
            raise InvalidInputException(
                f"JDBC connection URL {url.split('?')[0]} is not supported. Check the format and try again."
            )
        return found["engine"].lower(), found["host"], _port(found["port"]), found["database"] or ""
    engine = _TYPES.get(kind, str(properties.get("JDBC_ENGINE") or "").lower())
    if not properties.get("HOST"):
        raise InvalidInputException(
            "The connection names no database: give JDBC_CONNECTION_URL, or HOST and PORT"
        )
    return engine, properties["HOST"], _port(properties.get("PORT")), str(properties.get("DATABASE") or "")


def _port(text: str | None) -> int:
    """A port, and 0 for none."""
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or int(text) > _LAST_PORT:
        raise InvalidInputException(f"{text} is no port")
    return int(text)


def _who(
    connection: Mapping[str, Any], properties: Mapping[str, Any], read_secret: ReadSecret
) -> tuple[str, str]:
    authentication = connection.get("AuthenticationConfiguration") or {}
    if secret := properties.get("SECRET_ID") or authentication.get("SecretArn"):
        try:
            found = json.loads(read_secret(secret))
        except ValueError as error:
            raise InvalidInputException(f"Secret {secret} is no document of JSON") from error
        if not isinstance(found, dict):
            raise InvalidInputException(f"Secret {secret} is no object of JSON")
        return str(found.get("username") or found.get("USERNAME") or ""), str(
            found.get("password") or found.get("PASSWORD") or ""
        )
    basic = authentication.get("BasicAuthenticationCredentials") or {}
    user = properties.get("USERNAME") or properties.get("USER_NAME") or basic.get("Username") or ""
    return str(user), str(properties.get("PASSWORD") or basic.get("Password") or "")
