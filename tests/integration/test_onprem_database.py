"""The on-premises PostgreSQL as a process: start, stop, and what can go wrong between."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from onprem_fixtures import onprem_settings, running_database
from ports import free_port
from waiting import scaled

from millpond.base import process
from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.stack.onprem import OnPremDatabase, WrongPassword


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnPremDatabase]:
    with running_database(onprem_settings(tmp_path_factory.mktemp("onprem"))) as running:
        yield running


def _server(database: OnPremDatabase) -> psutil.Process:
    (pid_file,) = database.log_file.parent.parent.rglob("pids/onprem.pid")
    owned = process.find(pid_file)
    assert owned is not None
    return psutil.Process(owned.pid)


def _value(connection: psycopg.Connection, query: str) -> object:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def test_start_a_second_time_leaves_the_server_as_it_is(database: OnPremDatabase) -> None:
    pid = _server(database).pid
    database.start()
    assert _server(database).pid == pid


def _sockets(process: psutil.Process) -> list[Any]:
    """What a process has open; nothing when it has just ended, as PostgreSQL's workers do."""
    try:
        return list(process.net_connections("all"))
    except psutil.NoSuchProcess:
        return []


def test_the_server_listens_on_loopback_and_nowhere_else(database: OnPremDatabase) -> None:
    server = _server(database)
    listening = [
        c
        for p in [server, *server.children(recursive=True)]
        for c in _sockets(p)
        if c.status == psutil.CONN_LISTEN or (c.family == socket.AF_UNIX and c.laddr)
    ]
    assert {c.laddr for c in listening} == {("127.0.0.1", database.port)}


def test_what_a_session_starts_with_is_in_force_and_in_no_statement(database: OnPremDatabase) -> None:
    with database.connection() as connection:
        connection.execute("ALTER DATABASE erp SET log_statement = 'all'")
    try:
        with database.connection(session={"millpond.key": "0a1b2c3d4e5f"}) as connection:
            assert _value(connection, "SELECT current_setting('millpond.key')") == "0a1b2c3d4e5f"
            assert _value(connection, "SELECT current_setting('timezone')") == "UTC"
    finally:
        with database.connection() as connection:
            connection.execute("ALTER DATABASE erp RESET log_statement")
    log = database.log_file.read_text()
    assert "current_setting('millpond.key')" in log
    assert "0a1b2c3d4e5f" not in log


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another user")
def test_the_server_does_not_run_as_root(database: OnPremDatabase) -> None:
    uids = {p.uids().real for p in [_server(database), *_server(database).children()]}
    assert 0 not in uids
    assert len(uids) == 1


def test_permissions_outside_the_state_directory_stay_as_they_were(tmp_path: Path) -> None:
    private = tmp_path / "home"
    private.mkdir(mode=0o700)
    before = private.stat()
    with running_database(onprem_settings(private)) as database, database.connection() as connection:
        assert _value(connection, "SELECT current_database()") == "erp"
    after = private.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_the_secret_opens_a_read_only_session(database: OnPremDatabase) -> None:
    with database.connection() as admin:
        admin.execute("CREATE TABLE IF NOT EXISTS notes AS SELECT 1 AS n")
    secret = database.secret()
    assert set(secret) == {"engine", "host", "port", "dbname", "username", "password"}
    with psycopg.connect(
        host=str(secret["host"]),
        port=int(secret["port"]),
        dbname=str(secret["dbname"]),
        user=str(secret["username"]),
        password=str(secret["password"]),
    ) as connection:
        assert _value(connection, "SELECT n FROM notes") == 1
        assert _value(connection, "SHOW statement_timeout") == "30min"
        limit = "SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user"
        assert _value(connection, limit) == 40, "more connections than that are refused"
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("INSERT INTO notes VALUES (2)")
        connection.rollback()
        connection.read_only = False
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO notes VALUES (2)")


def test_a_wrong_password_is_refused(database: OnPremDatabase) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(host="127.0.0.1", port=database.port, dbname="erp", user="ingest", password="guess")


@pytest.mark.parametrize(
    ("tier", "what", "next_step"),
    [
        ("embedded", "onprem/data is of a former state", "millpond --tier embedded clean"),
        ("compose", "the volume onprem-data is of a former state", "millpond --tier compose clean"),
    ],
)
def test_data_of_a_former_state_is_named_with_what_removes_it(
    database: OnPremDatabase, tmp_path: Path, tier: Any, what: str, next_step: str
) -> None:
    later = OnPremDatabase(Settings(tier=tier, state_dir=tmp_path, onprem_port=database.port))
    later.admin_password_file()
    with pytest.raises(WrongPassword, match=what) as refusal:
        later.provision(sets_password=True)
    assert next_step in refusal.value.next_step


def test_a_server_whose_password_was_lost_is_not_waited_for(tmp_path: Path) -> None:
    settings = onprem_settings(tmp_path)
    with running_database(settings) as database:
        password = database.admin_password_file()
    kept = password.read_text()
    password.write_text("another")
    with pytest.raises(WrongPassword):
        OnPremDatabase(settings).start()
    assert not database.is_running
    password.write_text(kept)
    with running_database(settings), database.connection() as connection:
        assert _value(connection, "SELECT current_database()") == "erp"


def test_passwords_are_readable_by_their_owner_only_and_not_in_the_log(database: OnPremDatabase) -> None:
    files = list((database.log_file.parent.parent / "onprem").glob("*.password"))
    assert len(files) == 2
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    log = database.log_file.read_text()
    assert not [file.name for file in files if file.read_text() in log]


def test_two_databases_run_side_by_side(database: OnPremDatabase, tmp_path: Path) -> None:
    with running_database(onprem_settings(tmp_path)) as other, other.connection() as connection:
        assert _value(connection, "SHOW port") == str(other.port)
        assert other.port != database.port
        assert database.is_running


def test_a_taken_port_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        settings = onprem_settings(tmp_path).model_copy(update={"onprem_port": port})
        with pytest.raises(MillpondError) as refusal:
            OnPremDatabase(settings).start()
    assert str(port) in refusal.value.what
    assert "onprem_port" in refusal.value.where
    assert "MILLPOND_ONPREM_PORT" in refusal.value.next_step


def test_what_was_committed_survives_a_killed_server(tmp_path: Path) -> None:
    settings = onprem_settings(tmp_path)
    with running_database(settings) as database:
        with database.connection() as connection:
            connection.execute("SET synchronous_commit = on")
            connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        server = _server(database)
        os.kill(server.pid, signal.SIGKILL)
        psutil.wait_procs([server], timeout=scaled(10))
        assert not database.is_running
        database.start()
        with database.connection() as connection:
            assert _value(connection, "SELECT count(*) FROM kept") == 1000


def test_a_lock_file_naming_another_program_does_not_stop_the_start(tmp_path: Path) -> None:
    settings = onprem_settings(tmp_path)
    with running_database(settings) as database:
        database.stop()
        lock = settings.state / "onprem" / "data" / "postmaster.pid"
        lock.write_text(f"{os.getppid()}\n{lock.parent}\n")
        database.start()
        assert database.is_running


def test_stop_does_not_wait_for_open_sessions(tmp_path: Path) -> None:
    with running_database(onprem_settings(tmp_path)) as database:
        session = database.connection()
        session.execute("SELECT 1")
        database.stop()
        assert not database.is_running
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    assert "database system is shut down" in database.log_file.read_text()


def test_a_server_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    settings = onprem_settings(tmp_path)
    with running_database(settings) as database:
        database.stop()
        (settings.state / "onprem" / "data" / "postgresql.conf").write_text("no_such_setting = 1\n")
        with pytest.raises(MillpondError) as failure:
            database.start()
    assert "no_such_setting" in failure.value.detail
    assert failure.value.where == str(database.log_file)


def test_an_interrupted_first_start_is_begun_anew(tmp_path: Path) -> None:
    settings = onprem_settings(tmp_path)
    half_made = settings.state / "onprem" / "data.unfinished"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    with running_database(settings) as database, database.connection() as connection:
        assert _value(connection, "SELECT 1") == 1
    assert not half_made.exists()


def test_a_database_that_is_not_there_says_what_to_type(tmp_path: Path) -> None:
    settings = onprem_settings(tmp_path).model_copy(update={"onprem_port": free_port()})
    with pytest.raises(MillpondError) as failure:
        OnPremDatabase(settings).connection()
    assert failure.value.next_step == "millpond up"
