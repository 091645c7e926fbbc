"""``millpond lake`` on a database that is nobody's here: what is proposed, written, and found wrong."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from onprem_fixtures import onprem_settings, running_database

from lake import scaffold, tables
from lake.sources import Source, own_source, source_of_url
from lake.tables import Wanted
from millpond.base.errors import MillpondError

# Small, and with one of each thing that somebody's schema has.
DUMP = """
CREATE SCHEMA music;
CREATE DOMAIN music.year AS integer CHECK (VALUE > 1900);
CREATE TYPE music.rating AS ENUM ('good', 'bad');
CREATE TABLE music."Artist" ("ArtistId" integer PRIMARY KEY, "Name" varchar(120), born music.year,
    ratings music.rating[]);
CREATE TABLE music.artist (id integer PRIMARY KEY);
CREATE TABLE music."Customer" ("CustomerId" bigint PRIMARY KEY, "FirstName" text NOT NULL, "Email" text,
    birth_date date, tax_id text, client_ip inet, balance money, found tsvector, password_hash bytea,
    "UpdatedAt" timestamptz NOT NULL, name_of_pet text);
CREATE INDEX ON music."Customer" ("UpdatedAt");
INSERT INTO music."Customer" SELECT i, 'Ada', 'ada@example.org', NULL, NULL, '10.0.0.1', 12.5,
    to_tsvector('simple', 'a b'), NULL, timestamptz '2026-01-01 UTC', NULL FROM generate_series(1, 50) i;
CREATE TABLE music.rental (rental_id integer PRIMARY KEY, last_update timestamp NOT NULL);
CREATE TABLE music.play (play_id bigint, played_at timestamp, PRIMARY KEY (play_id, played_at))
    PARTITION BY RANGE (played_at);
CREATE TABLE music.play_2026 PARTITION OF music.play FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE music.nothing ();
CREATE TABLE music.code (code char(3) NOT NULL, label text, email text NOT NULL);
CREATE UNIQUE INDEX ON music.code (label);
CREATE UNIQUE INDEX ON music.code (email, code);
CREATE VIEW music.customer_list AS SELECT "CustomerId" AS id, "FirstName" AS first_name FROM music."Customer";
CREATE MATERIALIZED VIEW music.play_count AS SELECT count(*) AS plays FROM music.play;
CREATE MATERIALIZED VIEW music.unfilled AS SELECT 1 AS one WITH NO DATA;
ALTER TABLE music.code OWNER TO somebody_else;
"""
# Table, key, and what is not as by default.
PROPOSED: dict[str, tuple[list[str], dict[str, Any]]] = {
    "music.Artist": (["ArtistId"], {}),
    "music.artist": (["id"], {"target_table": "artist_2"}),
    "music.Customer": (
        ["CustomerId"],
        {
            "load_mode": "incremental",
            "watermark_column": "UpdatedAt",
            "watermark_overlap": "PT10M",
            "column_actions": {
                "FirstName": "tokenise",
                "Email": "tokenise",
                "birth_date": "drop",
                "tax_id": "hash",
                "client_ip": "tokenise",
                "password_hash": "drop",
            },
        },
    ),
    # No index: each run would read all of it anyway.
    "music.rental": (["rental_id"], {}),
    "music.play": (
        ["play_id", "played_at"],
        {"partitions": [{"name": "played_at_month", "source_name": "played_at", "transform": "month"}]},
    ),
    # The unique index of a column that can be NULL is no key; a column of the key is not masked.
    "music.code": (["email", "code"], {"key_columns": ["email", "code"]}),
    "music.customer_list": ([], {"column_actions": {"first_name": "tokenise"}}),
    "music.play_count": ([], {}),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    directory = tmp_path_factory.mktemp("lake")
    settings = onprem_settings(directory)
    dump = directory / "shop.sql.gz"
    dump.write_bytes(gzip.compress(DUMP.encode()))
    with running_database(settings) as database:
        refused = database.add_dump(dump)
        assert [line.partition("ERROR:")[2].strip() for line in refused] == [
            'role "somebody_else" does not exist'
        ]
        yield own_source(settings)


@pytest.fixture
def added(source: Source, tmp_path: Path) -> Path:
    """Fixtures with every table of the schema."""
    tables.add(tables.look(source, Wanted(["music"]), tmp_path), tmp_path)
    return tmp_path


def execute(source: Source, statement: str) -> None:
    with source.connection() as connection:
        connection.execute(statement.encode())


def test_settings_and_structures_follow_from_the_catalog(source: Source, added: Path) -> None:
    choices = scaffold.read_choices(added)
    assert choices == {table_id: choice for table_id, (_, choice) in PROPOSED.items()}
    settings = scaffold.read_settings(added)
    assert {table_id: item.get("key_columns", []) for table_id, item in settings.items()} == {
        table_id: key for table_id, (key, _) in PROPOSED.items()
    }
    structure = json.loads((added / "table_structures" / "music.Artist.json").read_text())
    assert [(one["source_type"], one["type"]) for one in structure["columns"]] == [
        ("integer", "int"),
        ("character varying(120)", "string"),
        ("music.year", "string"),
        ("music.rating[]", "array<string>"),
    ]
    assert tables.check(source, added) == []


def test_what_cannot_be_taken_is_left_out_and_what_is_known_stays(source: Source, added: Path) -> None:
    again = tables.look(source, Wanted(["music"]), added)
    assert again.refused == {
        "music.nothing": "it has no column",
        "music.unfilled": "it has no rows to be read before REFRESH MATERIALIZED VIEW",
    }
    assert (again.proposals, sorted(again.known)) == ((), sorted(PROPOSED))
    some = tables.look(source, Wanted(["music"], ["play*", "music.code"], ["*_count"]), added / "new")
    assert [one.relation.table_id for one in some.proposals] == ["music.code", "music.play"]
    with pytest.raises(MillpondError, match="There is no schema film"):
        tables.look(source, Wanted(["film"]), added)
    with pytest.raises(MillpondError, match="No table or view is meant"):
        tables.look(source, Wanted(["music"], ["nosuch"]), added)


def test_settings_are_edited_and_removed(source: Source, added: Path) -> None:
    item = tables.edit(source, "music.rental", ["load_mode=full_diff", "freshness_minutes=60"], added)
    assert (item["load_mode"], item["freshness_minutes"]) == ("full_diff", 60)
    assert "load_mode" not in tables.edit(source, "music.rental", ["load_mode="], added)
    for assignment, said in {
        "load_mode=append": "load_mode append needs watermark_column",
        "nosuch=1": "nosuch=1 sets nothing",
        "source_table=x": "sets nothing",
        "key_columns=id": "The value of key_columns is not JSON",
    }.items():
        with pytest.raises(MillpondError, match=said):
            tables.edit(source, "music.rental", [assignment], added)
    with pytest.raises(MillpondError, match=r"No table music\.rentals has settings"):
        tables.edit(source, "music.rentals", [], added)
    assert tables.remove(["music.play*"], added) == ["music.play", "music.play_count"]
    assert "music.play" not in {**scaffold.read_choices(added), **scaffold.read_settings(added)}
    assert not (added / "table_structures" / "music.play.json").exists()


def test_check_says_what_an_ingest_would_fail_by(source: Source, added: Path) -> None:
    tables.edit(source, "music.rental", ["filter=rental_id >", "watermark_column=last_update"], added)
    tables.edit(source, "music.code", ['column_actions={"lable": "hash"}', 'key_columns=["label"]'], added)
    execute(source, "DROP VIEW music.customer_list; ALTER TABLE music.artist ALTER id TYPE bigint")
    try:
        found = {(one.table_id, one.text, one.is_wrong) for one in tables.check(source, added)}
    finally:
        execute(
            source,
            "ALTER TABLE music.artist ALTER id TYPE integer; CREATE VIEW music.customer_list AS "
            'SELECT "CustomerId" AS id, "FirstName" AS first_name FROM music."Customer"',
        )
    assert found == {
        ("music.rental", 'PostgreSQL does not take the filter: syntax error at or near ")"', True),
        ("music.rental", "no index begins with last_update: each run reads the whole table", False),
        ("music.code", "column_actions names lable, which the table does not have", True),
        ("music.customer_list", "the database has no such table or view", True),
        ("music.artist", "column id is bigint in the database and integer in table_structures", False),
    }


def test_tables_of_another_database_lose_their_settings_only_when_asked(source: Source, added: Path) -> None:
    scaffold.write_item(
        added, "job_settings", "erp.orders", {"target_database": "erp", "target_table": "orders"}
    )
    addition = tables.look(source, Wanted(["music"]), added)
    with pytest.raises(MillpondError, match=r"are not in this database: erp\.orders"):
        tables.add(addition, added)
    tables.add(addition, added, replaces=True)
    assert sorted(scaffold.read_settings(added)) == sorted(PROPOSED)


def test_a_database_is_named_by_its_address(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    held = source.secret
    place = f"{held['host']}:{held['port']}/{held['dbname']}"
    monkeypatch.setenv("PGPASSWORD", str(held["password"]))
    theirs = source_of_url(f"postgresql://{held['username']}@{place}")
    assert theirs.secret == held
    with closing(theirs.connection()) as connection:
        assert connection.execute('SELECT count(*) FROM music."Customer"').fetchone() == (50,)
    assert str(held["password"]) not in repr(theirs) + theirs.address
    monkeypatch.delenv("PGPASSWORD")
    with pytest.raises(MillpondError, match="lacks: password"):
        source_of_url(f"postgresql://{held['username']}@{place}")
    with pytest.raises(MillpondError, match="cannot be told sslmode"):
        source_of_url(f"postgresql://a:b@{place}?sslmode=require")
    with pytest.raises(MillpondError, match="does not let this role in"):
        source_of_url(f"postgresql://{held['username']}:wrong@{place}").connection()
