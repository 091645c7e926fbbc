"""Loading the sources, changing them, and the fixtures that describe them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import boto3
import psycopg
import pytest
from moto import mock_aws
from onprem_fixtures import SCALE, onprem_settings, running_database

from lake import scaffold
from lake.load import LoadResult, load, put_masking_key, put_secret, run_workload
from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.stack.onprem import OnPremDatabase

INCREMENTAL = ("customers", "products", "orders", "order_lines", "stock_movements")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return onprem_settings(tmp_path_factory.mktemp("load"))


@pytest.fixture(scope="module")
def database(settings: Settings) -> Iterator[OnPremDatabase]:
    with running_database(settings) as running:
        load(settings, scale=SCALE)
        yield running


@pytest.fixture
def connection(database: OnPremDatabase) -> Iterator[psycopg.Connection]:
    with database.connection() as opened:
        yield opened


def _all(connection: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode()).fetchall()


def _contents(database: OnPremDatabase) -> dict[str, str]:
    """A hash of every row of every table of ``erp``, in whatever order."""
    with database.connection() as connection:
        tables = _all(
            connection,
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'erp'",
        )
        return {
            name: _all(
                connection, f"SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM {name} AS t"
            )[0][0]
            for (name,) in tables
        }


def test_a_second_load_of_the_same_size_changes_nothing(settings: Settings, database: OnPremDatabase) -> None:
    with database.connection() as connection:
        connection.execute("DELETE FROM erp.audit_log WHERE ctid = '(0,1)'")
    before = _contents(database)
    result = load(settings, scale=SCALE)
    assert result.loaded == ()
    assert _contents(database) == before


def test_another_size_loads_that_schema_again_and_only_that(
    settings: Settings, database: OnPremDatabase
) -> None:
    larger = load(settings, scale=0.2)
    assert larger.loaded == ("erp",)
    assert larger.rows["erp.customers"] == 200
    assert load(settings, scale=SCALE).rows["erp.customers"] == 100


def test_the_same_scale_gives_the_same_bytes(settings: Settings, database: OnPremDatabase) -> None:
    load(settings, scale=0.3)
    load(settings, scale=SCALE)
    first = _contents(database)
    load(settings, scale=0.3)
    load(settings, scale=SCALE)
    assert _contents(database) == first
    assert len(first) >= 8


def test_tpch_has_the_rows_its_specification_says(settings: Settings, database: OnPremDatabase) -> None:
    rows = load(settings, scale=SCALE).rows
    assert rows["tpch.region"] == 5
    assert rows["tpch.nation"] == 25
    assert (rows["tpch.customer"], rows["tpch.orders"], rows["tpch.part"]) == (1500, 15000, 2000)
    assert rows["tpch.partsupp"] == 4 * rows["tpch.part"]


def test_a_scale_factor_whose_keys_repeat_is_refused_and_another_named(
    settings: Settings, database: OnPremDatabase
) -> None:
    with pytest.raises(MillpondError, match=r"0\.001") as refusal:
        load(settings, scale=SCALE, tpch_sf=0.001)
    assert "MILLPOND_TPCH_SF to 0.01" in refusal.value.next_step
    assert load(settings, scale=SCALE).loaded == ()
    assert not (settings.state / "onprem" / "tpch").exists()


def test_a_load_that_fails_leaves_the_data_as_it_was(
    settings: Settings, database: OnPremDatabase, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "onprem_db"
    (broken / "erp").mkdir(parents=True)
    (broken / "tpch").mkdir()
    (broken / "erp" / "schema.sql").write_text("CREATE SCHEMA erp; CREATE TABLE erp.half (n int)")
    (broken / "erp" / "seed.sql").write_text("SELECT 1 / 0")
    before = _contents(database)
    monkeypatch.setattr("lake.load.SQL_DIR", broken)
    with pytest.raises(MillpondError) as failure:
        load(settings, scale=0.4)
    assert "division by zero" in failure.value.detail
    assert _contents(database) == before


def test_the_seed_holds_what_hurts(connection: psycopg.Connection) -> None:
    (present,) = _all(
        connection,
        """
        SELECT (SELECT count(*) FROM erp.price_agreements) = 0,
               EXISTS (SELECT FROM erp.audit_log AS l GROUP BY l::text HAVING count(*) > 1),
               (SELECT count(*) FROM information_schema.columns WHERE table_name = 'machine_snapshots') = 120,
               EXISTS (SELECT FROM erp.measurements WHERE reading = 'NaN'),
               EXISTS (SELECT FROM erp.measurements WHERE measured_at < '1970-01-01'),
               EXISTS (SELECT FROM erp.customers WHERE name LIKE E'%\\n%' AND deleted_at IS NULL),
               EXISTS (SELECT FROM erp.orders WHERE note = ''),
               EXISTS (SELECT FROM erp.orders WHERE note IS NULL),
               EXISTS (SELECT FROM erp.products WHERE length(exact_cost::text) > 45),
               EXISTS (SELECT FROM erp.customers WHERE deleted_at IS NOT NULL),
               EXISTS (SELECT FROM erp.orders WHERE ordered_on IS NULL),
               NOT EXISTS (SELECT FROM erp.measurements WHERE float8send(reading) = '\\x8000000000000000'
                           OR reading IN ('Infinity', '-Infinity'))
        """,
    )
    assert present == (True,) * len(present)


def test_every_nullable_column_has_a_null_somewhere_or_its_table_is_empty(
    connection: psycopg.Connection,
) -> None:
    connection.execute("ANALYZE")
    never_null = _all(
        connection,
        """
        SELECT format('%s.%s', s.tablename, s.attname)
        FROM pg_stats s JOIN information_schema.columns c
          ON (c.table_schema, c.table_name, c.column_name) = (s.schemaname, s.tablename, s.attname)
        WHERE s.schemaname = 'erp' AND c.is_nullable = 'YES' AND s.null_frac = 0
          AND s.tablename NOT IN ('warehouses', 'addresses')
        """,
    )
    assert never_null == []


def test_a_workload_is_the_same_for_the_same_seed(settings: Settings, database: OnPremDatabase) -> None:
    outcomes = []
    for _ in range(2):
        load(settings, scale=0.3)
        load(settings, scale=SCALE)
        result = run_workload(settings, changes=150, seed=7)
        outcomes.append((result, _contents(database)))
    assert outcomes[0] == outcomes[1]
    assert sum(outcomes[0][0].changes.values()) == 150


def test_incremental_tables_lose_no_row_and_every_change_moves_the_watermark(
    settings: Settings, database: OnPremDatabase
) -> None:
    load(settings, scale=0.3)
    load(settings, scale=SCALE)
    with database.connection() as connection:
        for table in INCREMENTAL:
            connection.execute(
                f"CREATE TEMP TABLE old_{table} AS SELECT t::text AS row, t.* FROM erp.{table} AS t".encode()
            )
        connection.commit()
        run_workload(settings, changes=400, seed=11)
        for table in INCREMENTAL:
            keys = _all(
                connection,
                f"SELECT string_agg(format('%I', a.attname), ', ') FROM pg_index i JOIN pg_attribute a"
                f" ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)"
                f" WHERE i.indrelid = 'erp.{table}'::regclass AND i.indisprimary",
            )[0][0]
            lost, changed, unmoved = _all(
                connection,
                f"""
                SELECT count(*) FILTER (WHERE new.updated_at IS NULL),
                       count(*) FILTER (WHERE new::text <> old.row),
                       count(*) FILTER (WHERE new::text <> old.row
                                        AND new.updated_at <= (SELECT max(updated_at) FROM old_{table}))
                FROM old_{table} AS old LEFT JOIN erp.{table} AS new USING ({keys})
                """,
            )[0]
            assert (lost, unmoved) == (0, 0), table
            assert changed > 0, table


def test_full_load_tables_also_lose_rows(settings: Settings, database: OnPremDatabase) -> None:
    made = run_workload(settings, changes=300, seed=5).changes
    assert made["delete_address"] > 0
    assert made["reverse_payment"] > 0
    assert made["purge_audit_log"] > 0


def test_a_workload_with_a_rate_takes_its_time(settings: Settings, database: OnPremDatabase) -> None:
    started = monotonic()
    run_workload(settings, changes=11, rate=20)
    assert monotonic() - started >= 0.5


def test_fixtures_match_the_database(connection: psycopg.Connection) -> None:
    expected = scaffold.describe(scaffold.read_columns(connection), scaffold.read_choices())
    for folder, items in expected.items():
        files = {p.stem: json.loads(p.read_text()) for p in (scaffold.FIXTURES / folder).glob("*.json")}
        assert files == items, f"run python -m lake.scaffold: {folder} is not what the database has"


def test_scaffold_writes_what_is_in_the_repository(
    settings: Settings, database: OnPremDatabase, tmp_path: Path
) -> None:
    with database.connection() as connection:
        scaffold.write(
            scaffold.describe(scaffold.read_columns(connection), scaffold.read_choices()), tmp_path
        )
    written = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*.json")}
    kept = {
        p.relative_to(scaffold.FIXTURES): p.read_bytes()
        for folder in ("job_settings", "table_structures")
        for p in (scaffold.FIXTURES / folder).glob("*.json")
    }
    assert written == kept


def test_a_loaded_result_is_json(settings: Settings, database: OnPremDatabase) -> None:
    result = load(settings, scale=SCALE)
    assert isinstance(result, LoadResult)
    assert json.loads(json.dumps(result.to_dict()))["rows"] == result.rows


@mock_aws
def test_the_secret_is_stored_once_and_again_when_it_changed(
    settings: Settings, database: OnPremDatabase
) -> None:
    client = boto3.client(
        "secretsmanager", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    with pytest.raises(MillpondError, match="millpond/dev/onprem-db"):
        put_secret(settings, client, database.secret())
    client.create_secret(Name="millpond/dev/onprem-db")
    assert put_secret(settings, client, database.secret())
    assert not put_secret(settings, client, database.secret())
    # What is stored signs in: it has been rotated since this one was known.
    assert not put_secret(settings, client, {**database.secret(), "password": "of old"})
    wrong = json.dumps({**database.secret(), "password": "of old"})
    client.put_secret_value(SecretId="millpond/dev/onprem-db", SecretString=wrong)
    assert put_secret(settings, client, database.secret())
    stored = json.loads(client.get_secret_value(SecretId="millpond/dev/onprem-db")["SecretString"])
    assert stored == database.secret()

    with pytest.raises(MillpondError, match="millpond/dev/masking-key"):
        put_masking_key(settings, client)
    client.create_secret(Name="millpond/dev/masking-key")
    assert put_masking_key(settings, client)
    assert not put_masking_key(settings, client)
    key = json.loads(client.get_secret_value(SecretId="millpond/dev/masking-key")["SecretString"])["key"]
    assert len(bytes.fromhex(key)) == 32


def test_importing_load_starts_nothing(settings: Settings) -> None:
    result = subprocess.run(
        [sys.executable, "-c", "import lake.load, lake.verify"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
