"""A real MariaDB: the machine's own, or Debian's package, unpacked where it is needed and not installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
from ports import free_port
from waiting import wait_until

ADMIN, PASSWORD = "somebody", "b'ack\\slash"
PACKAGES = ("mariadb-server-core", "liburing2", "libaio1")
DEADLINE_SECONDS = 60


@dataclass(frozen=True)
class MariaDB:
    """A server that runs.

    Parameters
    ----------
    port : int
        On the loopback interface.
    """

    port: int

    def secret(self, dbname: str) -> dict[str, str | int]:
        """What the secret of the jobs holds."""
        return {
            "engine": "mariadb",
            "host": "127.0.0.1",
            "port": self.port,
            "dbname": dbname,
            "username": ADMIN,
            "password": PASSWORD,
        }

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, without the modes that keep bad dates out; the rows of the last."""
        with (
            pymysql.connect(
                host="127.0.0.1",
                port=self.port,
                user=ADMIN,
                password=PASSWORD,
                charset="utf8mb4",
                init_command="SET sql_mode = '', time_zone = '+00:00'",
                autocommit=True,
            ) as connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())


@contextmanager
def running_mariadb() -> Iterator[MariaDB]:
    """Start a server with an empty database ``lab``, as another user than root, and stop it."""
    # Not below pytest's own folder, which another user cannot enter.
    directory = Path(tempfile.mkdtemp(prefix="millpond-mariadb-"))
    try:
        directory.chmod(0o755)
        with _server(directory) as server:
            server.execute("CREATE DATABASE lab CHARACTER SET latin1")
            yield server
    finally:
        shutil.rmtree(directory)


@contextmanager
def _server(directory: Path) -> Iterator[MariaDB]:
    program, share, environment = _program(directory)
    data, port = directory / "data", free_port()
    data.mkdir()
    user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    shutil.chown(data, user)
    command = [
        str(program),
        "--no-defaults",
        f"--user={user}",
        f"--datadir={data}",
        f"--lc-messages-dir={share}",
        "--innodb-buffer-pool-size=32M",
        "--innodb-log-file-size=8M",
    ]
    account = f"'{ADMIN}'@'127.0.0.1'"
    password = PASSWORD.replace("\\", "\\\\").replace("'", "''")
    first = [
        "CREATE DATABASE mysql;\nUSE mysql;\n",
        *((share / f"mysql_system_tables{name}.sql").read_text() for name in ("", "_data")),
        f"FLUSH PRIVILEGES;\nCREATE USER {account} IDENTIFIED BY '{password}';\n",
        f"GRANT ALL ON *.* TO {account} WITH GRANT OPTION;\n",
    ]
    subprocess.run([*command, "--bootstrap"], input="".join(first), env=environment, text=True, check=True)
    with (directory / "server.log").open("w") as log:
        process = subprocess.Popen(
            [
                *command,
                "--bind-address=127.0.0.1",
                f"--port={port}",
                f"--socket={data}/socket",
                "--skip-name-resolve",
            ],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        server = MariaDB(port)
        wait_until("MariaDB answers", lambda: _answers(server), DEADLINE_SECONDS)
        yield server
    finally:
        process.terminate()
        process.wait()


def _answers(server: MariaDB) -> bool:
    try:
        server.execute("SELECT 1")
    except pymysql.OperationalError:
        return False
    return True


def _program(directory: Path) -> tuple[Path, Path, dict[str, str]]:
    """The server, its shared files, and what it is started with."""
    environment = {"PATH": os.environ["PATH"]}
    if found := shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"):
        return Path(found), Path("/usr/share/mysql"), environment
    packages, root = directory / "packages", directory / "root"
    packages.mkdir()
    subprocess.run(["apt-get", "download", *PACKAGES], cwd=packages, check=True, capture_output=True)
    for package in packages.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, root], check=True)
    libraries = [str(path) for path in root.glob("**/x86_64-linux-gnu")]
    return (
        root / "usr/sbin/mariadbd",
        root / "usr/share/mysql",
        {**environment, "LD_LIBRARY_PATH": ":".join(libraries)},
    )
