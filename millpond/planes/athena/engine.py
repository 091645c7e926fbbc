"""The DuckDB connection of a worker: S3 and nothing else, configuration locked."""

# ruff: noqa: S608 - texts in what is written here are quoted

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import duckdb
import duckdb_extension_httpfs  # type: ignore[import-untyped]

from millpond.planes.athena.exceptions import NotSupported, QueryFailed
from millpond.planes.athena.macros import create_macros
from millpond.planes.athena.types import literal
from millpond.planes.common.callers import OWN_CALLS

_EXTENSION = (
    Path(duckdb_extension_httpfs.__file__).parent
    / f"extensions/v{duckdb.__version__}/httpfs.duckdb_extension"
)
_LOG = logging.getLogger(__name__)
_THREADS = 2
_MEMORY = "1GB"
_OUR_ERROR = re.compile("\x02([A-Z][A-Z_]+): (.*?)\x03", re.DOTALL)
# An object that may not be read, of which httpfs tells the address.
_FORBIDDEN = re.compile(r"https?://[^/\s]+/([^\s'?\"]+).*\b403\b", re.DOTALL)
_PYTHON = re.compile(r"Python exception occurred while executing the UDF: (\w+)")
NO_MEMORY = "EXCEEDED_LOCAL_MEMORY_LIMIT", "Query exceeded per-node memory limit"

_NARROWED = re.compile(
    r"Type INT(\d+) with value (-?\d+) can't be cast .* destination type INT(\d+)", re.DOTALL
)

# Of an intermediate result that Trino lets be infinite.
_SPREAD = re.compile(r"(STDDEV|VAR|COVAR|CORR|REGR)\w*( for [XY])? is out of range!")


def connect(spill: Path, objects: Path, *, memory: str = _MEMORY) -> duckdb.DuckDBPyConnection:
    """Open DuckDB so that a query can reach objects in S3 once it has signed in, and those linked for it.

    ``enable_external_access`` is off with S3 excepted, rather than the local file system disabled: DuckDB
    could not spill to its temporary directory otherwise.

    Parameters
    ----------
    spill : Path
        Directory for what does not fit into memory.
    objects : Path
        Directory of the objects that are read as files.
    memory : str
        What one query may use, as DuckDB writes it.
    """
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # The wheel's hash is locked: to check the file's signature takes 0.13 s of CPU, for every query.
            "allow_unsigned_extensions": True,
            "custom_user_agent": OWN_CALLS,
        }
    )
    prepare(connection)
    for statement in (
        f"LOAD {literal(str(_EXTENSION))}",
        "SET allow_persistent_secrets = false",
        f"SET threads = {_THREADS}",
        f"SET memory_limit = {literal(memory)}",
        f"SET temp_directory = {literal(str(spill))}",
        "SET parquet_metadata_cache = true",
        "CALL enable_logging(['HTTP', 'FileSystem'])",
        f"SET allowed_directories = ['s3://', {literal(f'{objects}/')}]",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ):
        connection.execute(statement)
    return connection


def sign_in(
    connection: duckdb.DuckDBPyConnection, endpoint_url: str, region: str, access_key: str, secret_key: str
) -> None:
    """Let a connection reach the objects of one S3 endpoint.

    Parameters
    ----------
    connection : DuckDBPyConnection
        From :func:`connect`.
    endpoint_url, region : str
        Where S3 is.
    access_key, secret_key : str
        Whose requests it sees.
    """
    address = urlsplit(endpoint_url)
    use_ssl = "true" if address.scheme == "https" else "false"
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID {literal(access_key)}, SECRET {literal(secret_key)}, "
        f"REGION {literal(region)}, ENDPOINT {literal(address.netloc)}, URL_STYLE 'path', USE_SSL {use_ssl})"
    )


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a connection what every compiled statement counts on."""
    for statement in (
        *create_macros(),
        "SET TimeZone = 'UTC'",
        "SET max_expression_depth = 10000",
        "SET scalar_subquery_error_on_multiple_rows = true",
    ):
        connection.execute(statement)


def scanned_bytes(connection: duckdb.DuckDBPyConnection, objects: str) -> int:
    """What was read of objects so far: all answers with file content, and of files below a directory."""
    answers = (
        "SELECT TRY_CAST(response.headers['Content-Length'] AS BIGINT) AS bytes "
        "FROM duckdb_logs_parsed('HTTP') WHERE request.type = 'GET' AND request.headers['Range'] IS NOT NULL"
    )
    readings = (
        "SELECT bytes FROM duckdb_logs_parsed('FileSystem') "
        f"WHERE op = 'READ' AND starts_with(path, {literal(objects)})"
    )
    found = connection.execute(
        f"SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM ({answers} UNION ALL {readings})"
    ).fetchone()
    assert found is not None
    return int(found[0])


def is_translated(error: duckdb.Error) -> bool:
    """Whether the failure is known to be Trino's, too, in its own words."""
    text = str(error)
    is_known = _OUR_ERROR.search(text) or _NARROWED.search(text)
    return bool(is_known) or "More than one row returned by a subquery" in text


def translated(error: duckdb.Error, named: Callable[[str], str] = str) -> QueryFailed:
    """DuckDB's error as Trino names it, with the names of objects for paths of this machine."""
    text = named(str(error))
    if match := _OUR_ERROR.search(text):
        return QueryFailed(match[1], match[2])
    if match := _NARROWED.search(text):
        # Only a sum of whole numbers is held in 128 bits.
        if match[1] == "128":
            return QueryFailed("NUMERIC_VALUE_OUT_OF_RANGE", "bigint addition overflow")
        target = {"8": "tinyint", "16": "smallint", "32": "integer", "64": "bigint"}[match[3]]
        return QueryFailed("NUMERIC_VALUE_OUT_OF_RANGE", f"Out of range for {target}: {match[2]}")
    if _SPREAD.search(text):
        return NotSupported("The spread of numbers near the limits of double")
    if match := _PYTHON.search(text):
        _LOG.error("a function of a query failed: %s", text)
        if match[1] == "MemoryError":
            return QueryFailed(*NO_MEMORY)
        return QueryFailed("GENERIC_INTERNAL_ERROR", f"a function of the query failed with {match[1]}")
    if isinstance(error, duckdb.HTTPException) and (match := _FORBIDDEN.search(text)):
        return QueryFailed("", f"Permission denied on S3 path: s3://{unquote(match[1])}")
    message = text.partition(": ")[2].split("\n")[0] or text
    if "More than one row returned by a subquery" in text:
        return QueryFailed("SUBQUERY_MULTIPLE_ROWS", "Scalar sub-query has returned multiple rows")
    names: list[tuple[type[duckdb.Error], str]] = [
        (duckdb.HTTPException, "HIVE_CANNOT_OPEN_SPLIT"),
        (duckdb.ConversionException, "INVALID_CAST_ARGUMENT"),
        (duckdb.OutOfRangeException, "NUMERIC_VALUE_OUT_OF_RANGE"),
        (duckdb.OutOfMemoryException, "EXCEEDED_LOCAL_MEMORY_LIMIT"),
        (duckdb.InvalidInputException, "INVALID_FUNCTION_ARGUMENT"),
        (duckdb.IOException, "HIVE_CANNOT_OPEN_SPLIT"),
        (duckdb.PermissionException, "PERMISSION_DENIED"),
    ]
    reason = next((name for kind, name in names if isinstance(error, kind)), "GENERIC_INTERNAL_ERROR")
    return QueryFailed(reason, message)
