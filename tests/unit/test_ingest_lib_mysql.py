"""MySQL's dialect as text; ``tests/integration/test_mariadb.py`` runs it."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from ingest import source_sql, watermark
from ingest.errors import IngestError
from ingest.mysql import EXAMPLES, MySQL
from ingest.structures import Drift, TableStructure, check_settings
from ingest.watermark import Window
from test_ingest_lib_settings import settings
from test_ingest_lib_sql import column

from lake.verify.mysql import MySQLSql

MYSQL = MySQL()


def test_every_kind_of_type_has_a_wire_form_and_a_null_of_it() -> None:
    for name, _ in EXAMPLES:
        wire = source_sql.wire(MYSQL, column(name))
        assert "`c`" in wire, name
        assert "NULL" in MYSQL.null_of_wire(MYSQL.type_of(name)), name


@pytest.mark.parametrize(
    ("source_type", "name", "catalog_type"),
    [
        ("int(11)", "int", "int"),
        ("int", "int", "int"),
        ("int(10) unsigned zerofill", "int", "bigint"),
        ("decimal(38,0) unsigned", "decimal", "decimal(38,0)"),
        ("enum('int(1) unsigned','b,(')", "enum", "string"),
        ("bit", "bit", "boolean"),
        ("char(0)", "char", "string"),
        ("timestamp /* mariadb-5.3 */", "timestamp", "timestamptz"),
        ("Something Else!", "Something Else!", "string"),
    ],
)
def test_a_column_type_is_taken_apart(source_type: str, name: str, catalog_type: str) -> None:
    kind = MYSQL.type_of(source_type)
    assert (kind.name, kind.catalog_type) == (name, catalog_type)


def test_names_and_texts_are_quoted() -> None:
    assert MYSQL.quote_name("a`; DROP TABLE b") == "`a``; DROP TABLE b`"
    assert MYSQL.quote_text("it's \\' ") == "'it''s \\\\'' '"


def test_a_window_is_in_the_databases_own_literals() -> None:
    changed = column("datetime(3)", "at")
    window = Window("2024-01-01 00:00:00.000", "2024-01-02 00:00:00.000", "P1DT2H0.5S")
    assert watermark.predicate(MYSQL, changed, window) == (
        "(`at` >= (CAST('2024-01-01 00:00:00.000' AS DATETIME(6)) - INTERVAL 1 DAY - INTERVAL 2 HOUR - "
        "INTERVAL 0.5 SECOND) AND `at` <= CAST('2024-01-02 00:00:00.000' AS DATETIME(6)))"
    )
    with pytest.raises(IngestError, match="no interval"):
        MYSQL.less("x", "ten minutes", "datetime")


def test_what_the_server_cannot_tell_is_refused() -> None:
    with pytest.raises(IngestError, match="cannot tell"):
        source_sql.wire(MYSQL, column("int"), Drift(retyped=frozenset("c")))
    structure = TableStructure("erp.t", 1, (column("int", "id"),), ())
    with pytest.raises(IngestError, match="no snapshot that two connections see"):
        check_settings(
            settings(
                load_mode="full",
                key_columns=[],
                watermark_column=None,
                watermark_overlap=None,
                split_column="id",
                split_partitions=4,
            ),
            structure,
            MYSQL,
        )


@pytest.mark.parametrize("action", ["hash", "tokenise"])
def test_the_comparison_masks_as_the_ingest_does(action: str) -> None:
    key = bytes(range(100))
    told = MYSQL.session_settings(key)
    assert MySQLSql().masking_settings(key).items() <= told.items()
    assert MySQLSql().masked("`c`", action) == MYSQL.masked("`c`", action)


def test_the_padded_keys_are_those_of_hmac() -> None:
    told: dict[str, Any] = MYSQL.session_settings(b"key")
    inner, outer = (bytes.fromhex(told[f"@millpond_masking_{name}"]) for name in ("inner", "outer"))
    digest = hashlib.sha256(outer + hashlib.sha256(inner + b"text").digest()).hexdigest()
    assert digest == hmac.new(b"key", b"text", "sha256").hexdigest()
