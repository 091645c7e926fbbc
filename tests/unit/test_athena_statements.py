"""Statements that are no query, and the parameters of those that are."""

from __future__ import annotations

import pytest

from millpond.planes.athena import statements as st
from millpond.planes.athena.exceptions import QueryFailed
from millpond.planes.athena.patterns import joda_to_strftime, mysql_to_strftime
from millpond.planes.athena.scans import escape_partition, is_hidden, split_location


def test_create_external_table_is_read_with_all_its_clauses() -> None:
    statement = st.parse_statement(
        """CREATE EXTERNAL TABLE IF NOT EXISTS `db`.t (
             a int COMMENT 'it''s', b array<struct<x:int,y:decimal(9,2)>>)
           COMMENT 'rows' PARTITIONED BY (d string) ROW FORMAT SERDE 'x.Serde' WITH SERDEPROPERTIES ('k'='v')
           STORED AS PARQUET LOCATION 's3://b/x/' TBLPROPERTIES ('p'='q');"""
    )
    assert statement == st.CreateTable(
        "CREATE_TABLE",
        st.TableName("db", "t"),
        if_not_exists=True,
        columns=(
            st.HiveColumn("a", "int", "it's"),
            st.HiveColumn("b", "array<struct<x:int,y:decimal(9,2)>>"),
        ),
        partition_keys=(st.HiveColumn("d", "string"),),
        comment="rows",
        location="s3://b/x/",
        properties={"p": "q"},
        serde="x.Serde",
        serde_properties={"k": "v"},
        stored_as="parquet",
    )


@pytest.mark.parametrize(
    ("text", "kind", "type_"),
    [
        ("select 1", "SELECT", "DML"),
        ("-- a comment\nWITH a AS (SELECT 1) SELECT * FROM a", "SELECT", "DML"),
        ("create table t with (format='PARQUET') as select 1 x", "CREATE_TABLE_AS_SELECT", "DDL"),
        ("insert into t select 1", "INSERT", "DML"),
        ("create or replace view v as select 1 x", "CREATE_VIEW", "DDL"),
        ("alter table t add if not exists partition (d='1')", "ALTER_TABLE_ADD_PARTITION", "DDL"),
        (
            "alter table t partition (d='1') rename to partition (d='2')",
            "ALTER_TABLE_RENAME_PARTITION",
            "DDL",
        ),
        ("alter table db.t rename to u", "ALTER_TABLE_RENAME", "DDL"),
        ("alter schema db set dbproperties ('a'='b')", "ALTER_DATABASE", "DDL"),
        (
            "create external table t location 's3://b/t' tblproperties ('table_type'='delta')",
            "CREATE_TABLE",
            "DDL",
        ),
        ("msck repair table t", "MSCK_REPAIR_TABLE", "DDL"),
        ("show tables in db", "SHOW_TABLES", "UTILITY"),
        ("describe t", "DESCRIBE_TABLE", "UTILITY"),
        ("explain select 1", "EXPLAIN", "UTILITY"),
        ("unload (select (1)) to 's3://b/x/' with (format='PARQUET')", "UNLOAD", "DML"),
    ],
)
def test_statement_is_named_as_the_api_names_it(text: str, kind: str, type_: str) -> None:
    statement = st.parse_statement(text)
    assert (statement.kind, statement.statement_type) == (kind, type_)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("selec 1", "SYNTAX_ERROR: line 1:1: mismatched input 'selec'"),
        ("drop table t nonsense", "SYNTAX_ERROR: line 1:14: mismatched input 'nonsense'"),
        ("show partitions", "SYNTAX_ERROR: line 1:16: mismatched input '<EOF>'"),
        ("select 1; select 2", "Only one sql statement is allowed. Got: select 1; select 2"),
        ("vacuum", "SYNTAX_ERROR: line 1:7: mismatched input '<EOF>'"),
        ("optimize t", "SYNTAX_ERROR: line 1:11: mismatched input '<EOF>'"),
        ("create external table t location 's3://b/t'", "FAILED: SemanticException A table without columns"),
        ("rename t", "SYNTAX_ERROR: line 1:1: mismatched input 'rename'"),
    ],
)
def test_wrong_statement_is_refused_where_it_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(QueryFailed) as raised:
        st.parse_statement(text)
    assert raised.value.state_change_reason.startswith(reason)


def test_parameters_go_into_their_places_but_not_into_texts() -> None:
    query = "SELECT ?, '?' -- ?\nFROM t WHERE a = ? AND \"?\" > 1"
    assert st.bind(query, ["1", "'x'"]) == "SELECT 1, '?' -- ?\nFROM t WHERE a = 'x' AND \"?\" > 1"


@pytest.mark.parametrize("arguments", [[], ["1", "2"], ["1, 2"], ["1 FROM t"], ["1; DROP TABLE t"]])
def test_wrong_parameters_are_refused(arguments: list[str]) -> None:
    with pytest.raises(QueryFailed):
        st.bind("SELECT ?", arguments)


def test_date_patterns_are_translated() -> None:
    assert mysql_to_strftime("%Y-%m-%d %H:%i:%s.%f %M %c %%") == "%Y-%m-%d %H:%M:%S.%f %B %-m %%"
    assert joda_to_strftime("yyyy-MM-dd'T'HH:mm:ss.SSS EEE") == "%Y-%m-%dT%H:%M:%S.%g %a"
    with pytest.raises(QueryFailed, match="NOT_SUPPORTED"):
        mysql_to_strftime("%U")


def test_hidden_files_are_those_below_the_location() -> None:
    assert [is_hidden(p) for p in ("a.parquet", "_SUCCESS", ".x/a", "d/_tmp/a", "d/a_b")] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_location_is_a_directory() -> None:
    assert split_location("s3://b/a") == ("b", "a/")
    assert split_location("s3a://b") == ("b", "")
    with pytest.raises(QueryFailed):
        split_location("/etc")


def test_partition_values_are_escaped_as_hive_does() -> None:
    assert escape_partition("a/b c:é%") == "a%2Fb c%3Aé%25"


def test_buckets_of_a_table_have_a_number() -> None:
    made = "CREATE EXTERNAL TABLE t (a int, b int) CLUSTERED BY (a, `b`) INTO {} BUCKETS LOCATION 's3://b/t/'"
    statement = st.parse_statement(made.format(8))
    assert isinstance(statement, st.CreateTable)
    assert (statement.bucketed_by, statement.buckets) == (("a", "b"), 8)
    with pytest.raises(QueryFailed, match="mismatched input 'many'"):
        st.parse_statement(made.format("many"))


def test_texts_of_ddl_have_hives_escapes() -> None:
    statement = st.parse_statement(
        r"CREATE EXTERNAL TABLE t (a int) ROW FORMAT DELIMITED FIELDS TERMINATED BY '\t' ESCAPED BY '\\' "
        r"LINES TERMINATED BY '\n' LOCATION 's3://b/t/' TBLPROPERTIES ('k' = '\001\u00e9\'')"
    )
    assert isinstance(statement, st.CreateTable)
    assert statement.serde_properties == {"field.delim": "\t", "escape.delim": "\\", "line.delim": "\n"}
    assert statement.properties == {"k": "\x01é'"}


@pytest.mark.parametrize(
    ("value", "expression"),
    [
        ("1", "1"),
        ("Washington", "'Washington'"),
        ("'it''s'", "'it''s'"),
        ("DATE '2020-01-01'", "DATE '2020-01-01'"),
        ("NULL", "NULL"),
        ("current_date", "current_date"),
    ],
)
def test_a_word_that_is_given_as_a_parameter_is_text(value: str, expression: str) -> None:
    assert st.parameter(value) == expression
