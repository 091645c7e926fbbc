"""Somebody's own database, from its address to a lake that is equal: three commands, and no edit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from checkouts import Checkout, checkout_of_its_own
from mariadb_fixtures import ADMIN, PASSWORD, running_mariadb
from waiting import scaled

from millpond.base.config import CHECKOUT, load_settings

# A deployment, then runs over a dozen tables, and both twice.
pytestmark = [pytest.mark.foreign, pytest.mark.timeout(900)]

SHOP = CHECKOUT / "tests" / "e2e" / "shop.sql"
GUEST_PASSWORD = "gu:est/ p@ss"
MARIADB = (
    "CREATE DATABASE Chin",
    "CREATE TABLE Chin.Artist (ArtistId int PRIMARY KEY, Name varchar(120), Email text)",
    "INSERT INTO Chin.Artist VALUES (1, 'Antônio', 'a@example.org'), (2, NULL, NULL)",
    "CREATE TABLE Chin.types (id bigint unsigned PRIMARY KEY AUTO_INCREMENT, e enum('a','b,c'),"
    " s set('x','y'), j json, bl blob, y year, t time(3), dt datetime(3), ts timestamp(6) NULL, d date,"
    " bt bit(8), n decimal(38,5), f float, g geometry, updated_at datetime(6) NOT NULL, KEY (updated_at))",
    "INSERT INTO Chin.types (e, s, j, bl, y, t, dt, ts, d, bt, n, f, g, updated_at) VALUES ('b,c', 'y,x',"
    " '{\"a\": [1, null]}', x'00ff', 2026, '-12:34:56.789', '2026-01-01 12:00:00.123',"
    " '2026-01-01 12:00:00.123456', '0001-01-01', b'101', 1.5, 0.1, ST_GeomFromText('POINT(1 2)'),"
    " '2026-01-01')",
    "CREATE TABLE Chin.parts (id int, at date NOT NULL, PRIMARY KEY (id, at))"
    " PARTITION BY RANGE (YEAR(at))"
    " (PARTITION p0 VALUES LESS THAN (2026), PARTITION p1 VALUES LESS THAN MAXVALUE)",
    "INSERT INTO Chin.parts VALUES (1, '2025-01-01'), (2, '2026-01-01')",
    "CREATE VIEW Chin.names AS SELECT id, e, d FROM Chin.types",
)


@dataclass(frozen=True)
class Clone:
    """A clone of this repository, which somebody works in; its stack is not this checkout's."""

    directory: Path
    stack: Checkout

    def must(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "millpond.cli.main", *arguments],
            cwd=self.directory,
            env={
                **self.stack.environment,
                "MILLPOND_HOME": str(load_settings().home),
                "PYTHONPATH": str(self.directory),
            },
            capture_output=True,
            text=True,
            timeout=scaled(600),
            check=False,
        )
        assert done.returncode == 0, f"millpond {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def ingested(self, address: str) -> dict[str, bool]:
        """The three commands; whether each table is equal."""
        self.must("lake", "add", address, "--replace")
        self.must("ingest")
        return {one["table_id"]: one["is_equal"] for one in json.loads(self.must("verify", "--json"))}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    directory = tmp_path_factory.mktemp("own") / "clone"
    git = ["git", "-C", str(CHECKOUT)]
    subprocess.run([*git, "clone", "--quiet", CHECKOUT, directory], check=True)
    listed = subprocess.run(
        [*git, "ls-files", "-z", "--modified", "--others", "--exclude-standard"],
        capture_output=True,
        check=True,
    )
    # What is not committed yet is tested, too.
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        if (CHECKOUT / name).exists():
            shutil.copy(CHECKOUT / name, directory / name)
        else:
            (directory / name).unlink()
    with checkout_of_its_own() as stack:
        made = Clone(directory, stack)
        made.must("up")
        yield made


def test_a_postgresql_is_equal_after_three_commands(clone: Clone) -> None:
    with clone.stack.database.connection() as admin:
        admin.autocommit = True
        admin.execute("CREATE DATABASE work")
        admin.execute(f"CREATE ROLE guest LOGIN PASSWORD '{GUEST_PASSWORD}'".encode())
        where = admin.info.get_parameters() | {"password": admin.info.password, "dbname": "work"}
    with psycopg.connect(**where) as work:
        work.execute(SHOP.read_bytes())
        work.execute("GRANT USAGE ON SCHEMA shop TO guest")
        work.execute("GRANT SELECT ON ALL TABLES IN SCHEMA shop TO guest")
        work.execute("REVOKE SELECT ON shop.forbidden FROM guest")
    host = f"127.0.0.1:{clone.stack.onprem_port}"
    found = clone.ingested(f"postgresql://guest:{quote(GUEST_PASSWORD, safe='')}@{host}/work")
    names = (
        "types",
        "sales",
        "visits",
        "parent",
        "child",
        "prices",
        "totals",
        "nothing_yet",
        "no_key",
        "Odd Name!",
    )
    assert found == {f"shop.{name}": True for name in names}
    assert json.loads(clone.must("lake", "check", "--json")) == []
    edited = json.loads(
        clone.must("lake", "edit", "shop.types", 'column_actions={"t": "drop"}', "--no-deploy")
    )
    assert edited["column_actions"] == {"t": "drop"}
    clone.must("lake", "remove", "shop.types", "shop.s*", "--no-deploy")
    assert not (clone.directory / "fixtures" / "job_settings" / "shop.sales.json").exists()


def test_a_mariadb_is_equal_after_three_commands(clone: Clone) -> None:
    with running_mariadb() as server:
        server.execute(*MARIADB, "DROP DATABASE lab")
        password = quote(PASSWORD, safe="")
        found = clone.ingested(f"mysql://{ADMIN}:{password}@127.0.0.1:{server.port}/Chin")
    assert found == {f"Chin.{name}": True for name in ("Artist", "types", "parts", "names")}
