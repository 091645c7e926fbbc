"""Load the on-premises database: the operational schema, TPC-H, changes, and the secret of the jobs."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pymysql
from psycopg import sql

from lake.settings import load_lake_settings
from lake.workload import WorkloadResult, apply_changes
from millpond.base import process
from millpond.base.config import CHECKOUT, Settings
from millpond.base.errors import MillpondError
from millpond.stack.onprem import OnPremDatabase

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

SQL_DIR = CHECKOUT / "onprem_db"
TPCH_TABLES = ("region", "nation", "part", "supplier", "partsupp", "customer", "orders", "lineitem")
TPCH_BYTES_PER_SF = 3_500_000_000
CHUNK = 1 << 20
MASKING_KEY_BYTES = 32

Progress = Callable[[str], None]


@dataclass(frozen=True)
class LoadResult:
    """What :func:`load` did.

    Parameters
    ----------
    rows : dict of str to int
        Rows now in each table, by ``schema.table``.
    loaded : tuple of str
        Schemas that were (re)loaded; empty when everything was there already.
    """

    rows: dict[str, int]
    loaded: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def load(
    settings: Settings,
    *,
    scale: float | None = None,
    tpch_sf: float | None = None,
    progress: Progress | None = None,
) -> LoadResult:
    """Make and fill the schemas ``erp`` and ``tpch``, unless they are there at this size.

    Each schema is replaced in one transaction: interrupted, it is as before.

    Parameters
    ----------
    settings : Settings
        Which stack; its database must be running.
    scale : float, optional
        Multiplies the rows of ``erp``; the setting unless given.
    tpch_sf : float, optional
        TPC-H scale factor; the setting unless given.
    progress : callable, optional
        Called with a line for each step.

    Raises
    ------
    MillpondError
        If the data could not be made or the disk is too small for it.
    """
    say = progress or _say_nothing
    lake = load_lake_settings()
    scale = lake.scale if scale is None else scale
    tpch_sf = lake.tpch_sf if tpch_sf is None else tpch_sf
    loaded = []
    with _session(settings) as connection:
        _make_register(connection)
        if _is_due(connection, "erp", scale, _fingerprint("erp")):
            say(f"Filling erp at scale {scale:g}")
            _load_erp(connection, scale)
            loaded.append("erp")
        if _is_due(connection, "tpch", tpch_sf, _fingerprint("tpch")):
            say(f"Filling tpch at scale factor {tpch_sf:g}")
            _load_tpch(connection, tpch_sf, settings.state / "onprem" / "tpch", say)
            loaded.append("tpch")
        if loaded:
            say("Gathering statistics")
            connection.execute("ANALYZE")
            connection.commit()
        return LoadResult(count_rows(connection), tuple(loaded))


def count_rows(connection: psycopg.Connection) -> dict[str, int]:
    """Rows in every table of the sources, by ``schema.table``."""
    tables = connection.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('erp', 'tpch') ORDER BY 1, 2"
    ).fetchall()
    counts = {}
    for schema, table in tables:
        row = connection.execute(
            sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
        ).fetchone()
        assert row is not None
        counts[f"{schema}.{table}"] = row[0]
    return counts


def put_secret(
    settings: Settings, secretsmanager: SecretsManagerClient, secret: Mapping[str, str | int]
) -> bool:
    """Store the database credentials, unless what is stored signs in: it may have been rotated since.

    Parameters
    ----------
    settings : Settings
        Names the secret: ``PROJECT/ENVIRONMENT/onprem-db``.
    secretsmanager : client
        The secret itself must exist; Terraform makes it.
    secret : mapping
        As :meth:`OnPremDatabase.secret` gives it.

    Returns
    -------
    bool
        Whether a new version was stored.
    """
    stored = _stored_secret(secretsmanager, _secret_id(settings, "onprem-db"))
    if stored is not None and (_same_secret(stored, secret) or _signs_in(stored, secret)):
        return False
    _put(secretsmanager, _secret_id(settings, "onprem-db"), secret)
    return True


def put_masking_key(settings: Settings, secretsmanager: SecretsManagerClient) -> bool:
    """Store a random key for masking columns, unless there is one: another key makes other tokens.

    Parameters
    ----------
    settings : Settings
        Names the secret: ``PROJECT/ENVIRONMENT/masking-key``.
    secretsmanager : client
        The secret itself must exist; Terraform makes it.

    Returns
    -------
    bool
        Whether a key was stored.
    """
    secret_id = _secret_id(settings, "masking-key")
    if _stored_secret(secretsmanager, secret_id) is not None:
        return False
    _put(secretsmanager, secret_id, {"key": secrets.token_hex(MASKING_KEY_BYTES)})
    return True


def run_workload(
    settings: Settings,
    *,
    changes: int,
    seed: int = 1,
    rate: float | None = None,
    progress: Progress | None = None,
) -> WorkloadResult:
    """Change the schema ``erp`` as a working day would: see :func:`lake.workload.apply_changes`."""
    with _session(settings) as connection:
        return apply_changes(
            connection,
            changes=changes,
            seed=seed,
            rate=rate,
            progress=progress,
        )


def execute_file(connection: psycopg.Connection, path: Path) -> None:
    """Run a file of SQL statements."""
    connection.execute(path.read_text())


@contextmanager
def _session(settings: Settings) -> Iterator[psycopg.Connection]:
    """A connection as the administrator; what PostgreSQL refuses becomes an error that a person reads."""
    database = OnPremDatabase(settings)
    try:
        with database.connection() as connection:
            yield connection
    except psycopg.Error as error:
        log = process.last_lines(database.log_file)
        if isinstance(error, psycopg.errors.DiskFull) or "No space left on device" in log:
            raise MillpondError(
                "The disk is full; what was not finished will be done again by the next load.",
                where=str(settings.state / "onprem"),
                next_step="free some space, then make up and make load",
                detail=str(error).strip(),
            ) from error
        raise MillpondError(
            "PostgreSQL refused a statement; what it belongs to is as before.",
            where=f"on-premises database, port {database.port}; its log is {database.log_file}",
            next_step="correct what the message names, then run the command again",
            detail=str(error).strip(),
        ) from error


def _load_erp(connection: psycopg.Connection, scale: float) -> None:
    with connection.transaction():
        connection.execute("DROP SCHEMA IF EXISTS erp CASCADE")
        connection.execute("SELECT set_config('millpond.scale', %s, true)", (repr(scale),))
        for name in ("schema.sql", "seed.sql"):
            execute_file(connection, SQL_DIR / "erp" / name)
        _register(connection, "erp", scale, _fingerprint("erp"))


def _load_tpch(connection: psycopg.Connection, scale_factor: float, directory: Path, say: Progress) -> None:
    _refuse_small_disk(directory.parent, scale_factor)
    shutil.rmtree(directory, ignore_errors=True)
    try:
        _generate_tpch(scale_factor, directory)
        with connection.transaction():
            connection.execute("DROP SCHEMA IF EXISTS tpch CASCADE")
            execute_file(connection, SQL_DIR / "tpch" / "schema.sql")
            for table in TPCH_TABLES:
                say(f"Copying tpch.{table}")
                _copy(connection, sql.Identifier("tpch", table), directory / f"{table}.csv")
            say("Making the keys of tpch")
            _make_tpch_keys(connection, scale_factor)
            _register(connection, "tpch", scale_factor, _fingerprint("tpch"))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _make_tpch_keys(connection: psycopg.Connection, scale_factor: float) -> None:
    """The specification's formula for suppliers repeats some at odd scale factors (0.001, 0.012 …)."""
    try:
        execute_file(connection, SQL_DIR / "tpch" / "keys.sql")
    except psycopg.errors.UniqueViolation as error:
        raise MillpondError(
            f"TPC-H at scale factor {scale_factor:g} has two rows with one key.",
            where="the table tpch.partsupp",
            next_step="set MILLPOND_TPCH_SF to 0.01, 0.1, 1 or 10, then make load",
            detail=str(error),
        ) from error


def _generate_tpch(scale_factor: float, directory: Path) -> None:
    program = Path(sys.executable).with_name("tpchgen-cli")
    command = [str(program), "csv", "-s", repr(scale_factor), f"--output-dir={directory}"]
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise MillpondError(
            "tpchgen-cli is not installed beside the harness's Python.",
            where=str(program),
            next_step="make doctor",
        ) from error
    if result.returncode != 0:
        raise MillpondError(
            f"tpchgen-cli could not make TPC-H at scale factor {scale_factor:g}.",
            where=str(directory),
            next_step="correct MILLPOND_TPCH_SF, or free some space, then make load",
            detail=result.stderr.strip()[-2000:],
        )


def _copy(connection: psycopg.Connection, table: sql.Identifier, path: Path) -> None:
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT csv, HEADER)").format(table)
    with path.open("rb") as source, connection.cursor() as cursor, cursor.copy(statement) as copy:
        while chunk := source.read(CHUNK):
            copy.write(chunk)
    path.unlink()


def _refuse_small_disk(directory: Path, scale_factor: float) -> None:
    """TPC-H at scale factor 1 takes 1.1 GB as text, and as much again and its keys in the database."""
    needed = int(scale_factor * TPCH_BYTES_PER_SF)
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise MillpondError(
            f"TPC-H at scale factor {scale_factor:g} needs {needed >> 20} MB;"
            f" the disk has {free >> 20} MB free.",
            where=str(directory),
            next_step="set a smaller MILLPOND_TPCH_SF, or free some space",
        )


def _make_register(connection: psycopg.Connection) -> None:
    connection.execute("SET client_min_messages = warning")
    connection.execute("CREATE SCHEMA IF NOT EXISTS millpond")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS millpond.loaded ("
        " schema_name text PRIMARY KEY, size text NOT NULL, fingerprint text NOT NULL)"
    )
    connection.commit()


def _is_due(connection: psycopg.Connection, schema: str, size: float, fingerprint: str) -> bool:
    row = connection.execute(
        "SELECT size, fingerprint FROM millpond.loaded WHERE schema_name = %s", (schema,)
    ).fetchone()
    connection.commit()
    return row != (repr(float(size)), fingerprint)


def _register(connection: psycopg.Connection, schema: str, size: float, fingerprint: str) -> None:
    connection.execute(
        "INSERT INTO millpond.loaded VALUES (%s, %s, %s) ON CONFLICT (schema_name)"
        " DO UPDATE SET size = excluded.size, fingerprint = excluded.fingerprint",
        (schema, repr(float(size)), fingerprint),
    )


def _fingerprint(schema: str) -> str:
    """Changes when the SQL that makes the schema does."""
    digest = hashlib.sha256()
    for path in sorted((SQL_DIR / schema).glob("*.sql")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _signs_in(stored: str, secret: Mapping[str, str | int]) -> bool:
    """Whether a stored secret is of the same user and database, and has the password of today."""
    try:
        held = json.loads(stored)
        if {**held, "password": secret["password"]} != dict(secret):
            return False
        if held["engine"] in ("mysql", "mariadb"):
            pymysql.connect(
                host=held["host"],
                port=int(held["port"]),
                database=held["dbname"],
                user=held["username"],
                password=held["password"],
                connect_timeout=10,
            ).close()
            return True
        psycopg.connect(
            host=held["host"],
            port=held["port"],
            dbname=held["dbname"],
            user=held["username"],
            password=held["password"],
            connect_timeout=10,
        ).close()
    except (json.JSONDecodeError, TypeError, KeyError, psycopg.OperationalError, pymysql.MySQLError):
        return False
    return True


def _secret_id(settings: Settings, name: str) -> str:
    return f"{settings.project}/{settings.environment}/{name}"


def _stored_secret(secretsmanager: SecretsManagerClient, secret_id: str) -> str | None:
    """The value of a secret, or None while it has none."""
    try:
        return secretsmanager.get_secret_value(SecretId=secret_id)["SecretString"]
    except secretsmanager.exceptions.ResourceNotFoundException:
        return None


def _put(secretsmanager: SecretsManagerClient, secret_id: str, secret: Mapping[str, str | int]) -> None:
    text = json.dumps(dict(secret), sort_keys=True)
    try:
        secretsmanager.put_secret_value(SecretId=secret_id, SecretString=text)
    except secretsmanager.exceptions.ResourceNotFoundException as error:
        raise MillpondError(
            f"The secret {secret_id} does not exist yet: Terraform makes it.", next_step="make deploy"
        ) from error


def _same_secret(stored: str, secret: Mapping[str, str | int]) -> bool:
    try:
        return bool(json.loads(stored) == dict(secret))
    except json.JSONDecodeError:
        return False


def _say_nothing(_: str) -> None:
    return
