"""Athena on the real engine: what is read, what comes back, and what is refused."""

from __future__ import annotations

import datetime as dt
import json
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from athena_fixtures import BUCKET, RESULTS, Lake
from botocore.exceptions import ClientError
from engine_fixtures import RunningEngine, started_engine
from waiting import wait_until

from millpond.base import process

MICROSECONDS = dt.datetime(2024, 5, 6, 7, 8, 9, 123999)


@pytest.fixture(scope="module")
def lake(running_engine: RunningEngine) -> Lake:
    return Lake(running_engine)


@pytest.fixture
def upload(lake: Lake, tmp_path: Path) -> Any:
    """Write a Parquet file from columns and put it at a key."""

    def put(key: str, **columns: Any) -> str:
        path = tmp_path / "file.parquet"
        pq.write_table(pa.table(columns), path)
        return lake.upload(path, key)

    return put


@pytest.fixture(scope="module")
def orders(lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A table of two partitions whose locations say nothing of their values."""
    directory = tmp_path_factory.mktemp("orders")
    columns = {"order_id": "bigint", "amount": "decimal(12,2)", "note": "string"}
    lake.table("orders", columns, f"s3://{BUCKET}/orders/", {"day": "date"})
    for number, day in enumerate(("2024-01-01", "2024-01-02", "__HIVE_DEFAULT_PARTITION__")):
        path = directory / "part.parquet"
        ids = pa.array(range(number * 1000, number * 1000 + 1000), pa.int64())
        amounts = pa.array([Decimal("1.25")] * 1000, pa.decimal128(12, 2))
        notes = pa.array([f"note {'x' * 50} {n}" for n in range(1000)])
        pq.write_table(pa.table({"order_id": ids, "amount": amounts, "note": notes}), path)
        lake.partition("orders", [day], lake.upload(path, f"elsewhere/run{number}/part.parquet"))
    path.write_bytes(path.read_bytes())
    lake.upload(path, "orders/day=2030-01-01/unregistered.parquet")
    return "orders"


def test_only_registered_partitions_are_read_each_from_its_own_location(lake: Lake, orders: str) -> None:
    assert lake.rows("SELECT day, count(*), sum(amount) FROM orders GROUP BY day ORDER BY day") == [
        ("2024-01-01", "1000", "1250.00"),
        ("2024-01-02", "1000", "1250.00"),
        (None, "1000", "1250.00"),
    ]


def test_a_condition_on_the_partition_key_reads_less(lake: Lake, orders: str) -> None:
    every = lake.ask("SELECT sum(order_id) FROM orders")
    one = lake.ask("SELECT sum(order_id) FROM orders WHERE day = DATE '2024-01-02'")
    none = lake.ask("SELECT sum(order_id) FROM orders WHERE day > DATE '2025-01-01'")
    assert (every.rows, one.rows, none.rows) == ([("4498500",)], [("1499500",)], [(None,)])
    assert every.scanned > 2 * one.scanned > 0
    assert none.scanned == 0


def test_objects_are_read_as_files_unless_they_must_be_asked_for(lake: Lake, upload: Any) -> None:
    log = lake.settings.state_dir / "logs/engine.log"

    def read(table: str) -> int:
        """How many requests reading a table took; the rows and their locations are the same by either way."""
        before = log.read_text().count("s3.GetObject")
        found = lake.rows(f'SELECT x, "$path" FROM {table}')
        requests = log.read_text().count("s3.GetObject") - before
        assert [x for x, _ in found] == ["1", "2"]
        assert {str(path).rpartition("/")[2] for _, path in found} == {"a b.parquet"}
        # One of them read the result.
        return requests - 1

    lake.table("plain", {"x": "bigint"}, upload("plain/a b.parquet", x=[1, 2]))
    lake.table("odd", {"x": "bigint"}, upload("odd//a b.parquet", x=[1, 2]))
    assert read("plain") == 0
    assert read("odd") > 0
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    lake.s3.put_bucket_policy(Bucket=BUCKET, Policy=policy)
    try:
        assert read("plain") > 0
    finally:
        lake.s3.delete_bucket_policy(Bucket=BUCKET)


def test_columns_are_found_by_name_and_have_the_types_of_the_catalog(lake: Lake, upload: Any) -> None:
    location = upload(
        "typed/a.parquet",
        extra=pa.array([0]),
        Whole=pa.array([7], pa.int32()),
        at=pa.array([MICROSECONDS], pa.timestamp("us", "UTC")),
        times=pa.array([[MICROSECONDS, None]], pa.list_(pa.timestamp("us"))),
        price=pa.array([Decimal("1.50")], pa.decimal128(9, 2)),
        text=pa.array(['ü\n"quoted"']),
        bytes=pa.array([b"\x00\xff"]),
        real=pa.array([0.1], pa.float32()),
        empty=pa.array([""]),
        pair=pa.array([{"b": "x", "a": 1}]),
    )
    columns = {
        "whole": "bigint",
        "at": "timestamp",
        "times": "array<timestamp>",
        "price": "decimal(12,2)",
        "text": "string",
        "bytes": "binary",
        "real": "float",
        "missing": "map<string,int>",
        "empty": "string",
        "pair": "struct<a:bigint,b:string,c:int>",
    }
    lake.table("typed", columns, location)
    answer = lake.ask("SELECT * FROM typed")
    assert answer.rows == [
        (
            "7",
            "2024-05-06 07:08:09.123",
            "[2024-05-06 07:08:09.123, null]",
            "1.50",
            'ü\n"quoted"',
            "00 ff",
            "0.1",
            None,
            "",
            "{a=1, b=x, c=null}",
        )
    ]
    types = [(c["Name"], c["Type"], c["Precision"], c["Scale"]) for c in answer.columns[:5]]
    assert types == [
        ("whole", "bigint", 19, 0),
        ("at", "timestamp", 3, 0),
        ("times", "array", 0, 0),
        ("price", "decimal", 12, 2),
        ("text", "varchar", 2147483647, 0),
    ]


def test_char_has_its_length_whatever_the_files_hold(lake: Lake, upload: Any) -> None:
    pairs = pa.array([{"code": "a"}, None], pa.struct([("code", pa.string())]))
    location = upload("chars/part.parquet", code=["ab", "ab   "], codes=[["x"], None], pair=pairs)
    columns = {"code": "char(3)", "codes": "array<char(2)>", "pair": "struct<code:char(2)>"}
    lake.table("chars", columns, location, {"country": "char(3)"})
    lake.partition("chars", ["DE"], location)
    answer = lake.ask("SELECT code, count(*) FROM chars WHERE country = 'DE' AND code = 'ab' GROUP BY code")
    assert answer.rows == [("ab ", "2")]
    assert (answer.columns[0]["Type"], answer.columns[0]["Precision"]) == ("char", 3)
    nested = "SELECT count(*) FROM chars WHERE pair.code = 'a' AND contains(codes, 'x') AND country < 'DF'"
    assert lake.rows(nested) == [("1",)]
    lake.rows("CREATE TABLE chars_copied AS SELECT code FROM chars WHERE pair IS NULL")
    lake.rows("INSERT INTO chars_copied VALUES 'xyz  '")
    assert lake.rows("SELECT concat(code, '|') FROM chars_copied ORDER BY 1") == [("ab |",), ("xyz|",)]
    assert "INVALID_CAST_ARGUMENT" in lake.reason("INSERT INTO chars_copied VALUES 'wxyz'")


def test_a_file_of_another_type_than_the_catalogs_is_bad_data(lake: Lake, upload: Any) -> None:
    lake.table("bad", {"x": "bigint"}, upload("bad/a.parquet", x=pa.array(["one"])))
    assert lake.reason("SELECT * FROM bad").startswith("HIVE_BAD_DATA: Field x's type VARCHAR in file s3://")


def test_hidden_files_are_no_data_and_no_files_are_no_rows(lake: Lake, upload: Any) -> None:
    upload("hidden/_temporary/a.parquet", x=pa.array([1]))
    upload("hidden/.b.parquet", x=pa.array([2]))
    lake.table("hidden", {"x": "bigint"}, f"s3://{BUCKET}/hidden")
    answer = lake.ask("SELECT x, x + 1 FROM hidden")
    assert (answer.rows, [c["Type"] for c in answer.columns]) == ([], ["bigint", "bigint"])
    upload("hidden/sub/ä +[1]*.parquet", x=pa.array([3]))
    assert lake.rows('SELECT x, "$path" FROM hidden') == [("3", f"s3://{BUCKET}/hidden/sub/ä +[1]*.parquet")]


def test_result_and_metadata_are_where_the_api_says(lake: Lake, orders: str) -> None:
    answer = lake.ask("SELECT 'a' AS x, NULL AS y, '' AS z, 'q\"' AS w")
    assert answer.location == f"{RESULTS}{answer.execution['QueryExecutionId']}.csv"
    key = answer.location.removeprefix(f"s3://{BUCKET}/")
    content = lake.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert content == b'"x","y","z","w"\n"a",,"","q"""\n'
    metadata = json.load(lake.s3.get_object(Bucket=BUCKET, Key=f"{key}.metadata")["Body"])
    assert metadata["ColumnInfo"] == answer.columns


def test_results_are_paged_with_the_header_on_the_first_page_only(lake: Lake, orders: str) -> None:
    query_id = lake.ask("SELECT order_id FROM orders ORDER BY order_id").execution["QueryExecutionId"]
    first = lake.athena.get_query_results(QueryExecutionId=query_id, MaxResults=3)
    second = lake.athena.get_query_results(
        QueryExecutionId=query_id, MaxResults=1000, NextToken=first["NextToken"]
    )
    texts = [[row["Data"][0]["VarCharValue"] for row in p["ResultSet"]["Rows"]] for p in (first, second)]
    assert texts[0] == ["order_id", "0", "1"]
    assert texts[1] == [str(n) for n in range(2, 1002)]
    paginator = lake.athena.get_paginator("get_query_results").paginate(QueryExecutionId=query_id)
    assert sum(len(p["ResultSet"]["Rows"]) for p in paginator) == 3001


def test_execution_tells_its_life(lake: Lake, orders: str) -> None:
    answer = lake.ask("SELECT count(*) FROM orders")
    execution = answer.execution
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DML", "SELECT")
    assert execution["QueryExecutionContext"] == {"Database": "lake", "Catalog": "awsdatacatalog"}
    assert execution["Status"]["CompletionDateTime"] >= execution["Status"]["SubmissionDateTime"]
    assert execution["Statistics"]["TotalExecutionTimeInMillis"] > 0
    query_id = execution["QueryExecutionId"]
    assert query_id in lake.athena.list_query_executions()["QueryExecutionIds"]
    batch = lake.athena.batch_get_query_execution(QueryExecutionIds=[query_id, "0" * 36])
    assert [e["QueryExecutionId"] for e in batch["QueryExecutions"]] == [query_id]
    assert [e["QueryExecutionId"] for e in batch["UnprocessedQueryExecutionIds"]] == ["0" * 36]
    statistics = lake.athena.get_query_runtime_statistics(QueryExecutionId=query_id)
    assert statistics["QueryRuntimeStatistics"]["Rows"]["OutputRows"] == 1


def test_a_result_is_reused_where_the_same_was_asked_before(lake: Lake) -> None:
    by_age = {"ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": True}}}
    first, second = (lake.ask("SELECT 'reused'", **by_age) for _ in range(2))
    assert not first.execution["Statistics"]["ResultReuseInformation"]["ReusedPreviousResult"]
    assert second.execution["Statistics"]["ResultReuseInformation"]["ReusedPreviousResult"]
    assert (second.location, second.rows, second.scanned) == (first.location, first.rows, 0)
    told = second.execution["ResultReuseConfiguration"]["ResultReuseByAgeConfiguration"]
    assert told == {"Enabled": True, "MaxAgeInMinutes": 60}
    for again in ({}, by_age):
        # Who does not ask for it, and who finds the result removed, has the query run.
        answer = lake.ask("SELECT 'reused'", **again)
        assert not answer.execution["Statistics"]["ResultReuseInformation"]["ReusedPreviousResult"]
        assert answer.rows == [("reused",)]
        for one in (first, answer):
            lake.s3.delete_object(Bucket=BUCKET, Key=one.location.removeprefix(f"s3://{BUCKET}/"))


def test_failed_query_says_why_and_has_no_results(lake: Lake) -> None:
    answer = lake.ask("SELECT * FROM lake.nope")
    assert answer.state == "FAILED"
    assert answer.reason == "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.lake.nope' does not exist"
    error = answer.execution["Status"]["AthenaError"]
    assert (error["ErrorCategory"], error["ErrorType"], error["Retryable"]) == (2, 1110, False)
    with pytest.raises(ClientError, match="did not finish successfully"):
        lake.athena.get_query_results(QueryExecutionId=answer.execution["QueryExecutionId"])


def test_statement_that_cannot_be_parsed_is_refused_at_once(lake: Lake) -> None:
    with pytest.raises(lake.athena.exceptions.InvalidRequestException) as raised:
        lake.start("SELEC 1")
    assert raised.value.response["AthenaErrorCode"] == "MALFORMED_QUERY"
    assert "line 1:1: mismatched input 'SELEC'" in str(raised.value)


def test_same_token_is_the_same_query(lake: Lake) -> None:
    token = "t" * 32
    first = lake.start("SELECT 1", ClientRequestToken=token)
    assert lake.start("SELECT 1", ClientRequestToken=token) == first
    with pytest.raises(ClientError, match="Idempotent parameters do not match"):
        lake.start("SELECT 2", ClientRequestToken=token)


def test_parameters_and_prepared_statements(lake: Lake, orders: str) -> None:
    query = "SELECT count(*) FROM orders WHERE order_id < ? AND note LIKE ?"
    assert lake.rows(query, ExecutionParameters=["10", "'note%'"]) == [("10",)]
    assert lake.rows("SELECT ?", ExecutionParameters=["Washington"]) == [("Washington",)]
    lake.athena.create_prepared_statement(StatementName="below", WorkGroup="primary", QueryStatement=query)
    assert lake.rows("EXECUTE below USING 20, 'note%'") == [("20",)]
    assert lake.rows("EXECUTE below", ExecutionParameters=["30", "'note%'"]) == [("30",)]
    with pytest.raises(ClientError, match="expected 2 but found 1"):
        lake.start(query, ExecutionParameters=["10"])
    lake.rows("PREPARE added FROM SELECT ? + 1 AS y")
    assert lake.rows("EXECUTE added USING 2") == [("3",)]
    lake.rows("DEALLOCATE PREPARE added")
    with pytest.raises(ClientError, match="PreparedStatement added was not found"):
        lake.start("EXECUTE added USING 2")


ENDLESS = (
    "SELECT count(*) FROM UNNEST(sequence(1, 10000)) a (x), UNNEST(sequence(1, 10000)) b (y), "
    "UNNEST(sequence(1, 10000)) c (z) WHERE sqrt(x * y * z) < 0"
)


@pytest.fixture
def running_query(lake: Lake) -> Iterator[str]:
    query_id = lake.start(ENDLESS)
    wait_until("start", lambda: lake.execution(query_id)["Status"]["State"] != "QUEUED")
    # The process that forks, the one that runs the query, and the one that waits for the next.
    wait_until("workers", lambda: len(workers(lake)) >= 3)
    yield query_id
    lake.athena.stop_query_execution(QueryExecutionId=query_id)


def workers(lake: Lake) -> set[int]:
    """Processes of the plane."""
    return {owned.pid for owned in process.find_all(lake.settings.state / "pids" / "athena")}


def test_stopped_query_is_cancelled_and_its_process_is_gone(lake: Lake, running_query: str) -> None:
    before = workers(lake)
    with pytest.raises(ClientError, match="Current state: RUNNING"):
        lake.athena.get_query_results(QueryExecutionId=running_query)
    lake.athena.stop_query_execution(QueryExecutionId=running_query)
    execution = lake.execution(running_query)
    assert execution["Status"]["State"] == "CANCELLED"
    assert len(before - workers(lake)) == 1


def test_query_that_is_stopped_before_its_process_is_there_is_cancelled(lake: Lake) -> None:
    for query_id in [lake.start(ENDLESS) for _ in range(4)]:
        lake.athena.stop_query_execution(QueryExecutionId=query_id)
        status = lake.execution(query_id)["Status"]
        assert status["State"] == "CANCELLED", status


def test_processes_of_the_plane_listen_nowhere(lake: Lake, running_query: str) -> None:
    for pid in workers(lake):
        assert [c for c in psutil.Process(pid).net_connections() if c.status == "LISTEN"] == []


def test_workgroup_decides_where_results_go_and_whether_queries_run(lake: Lake) -> None:
    own = {"OutputLocation": f"s3://{BUCKET}/own/"}
    lake.athena.create_work_group(Name="strict", Configuration={"ResultConfiguration": own})
    assert lake.ask("SELECT 1", WorkGroup="strict").location.startswith(f"s3://{BUCKET}/own/")
    lake.athena.update_work_group(WorkGroup="strict", State="DISABLED")
    with pytest.raises(ClientError, match="WorkGroup strict is disabled"):
        lake.start("SELECT 1", WorkGroup="strict")
    with pytest.raises(ClientError, match="is not empty"):
        lake.athena.delete_work_group(WorkGroup="strict")
    lake.athena.delete_work_group(WorkGroup="strict", RecursiveDeleteOption=True)
    with pytest.raises(ClientError, match="WorkGroup strict is not found"):
        lake.athena.get_work_group(WorkGroup="strict")
    with pytest.raises(ClientError, match="No output location provided"):
        lake.start("SELECT 1", ResultConfiguration={})


def test_query_that_reads_too_much_is_cancelled(lake: Lake, upload: Any) -> None:
    noise = pa.array([i * 7919 % 1000003 * 1.000001 for i in range(2_500_000)])
    lake.table("big", {"x": "double"}, upload("big/a.parquet", x=noise))
    limited = {"BytesScannedCutoffPerQuery": 10_000_000, "ResultConfiguration": {"OutputLocation": RESULTS}}
    lake.athena.create_work_group(Name="limited", Configuration=limited)
    assert lake.ask("SELECT sum(x) FROM big").scanned > 10_000_000
    answer = lake.ask("SELECT sum(x) FROM big", WorkGroup="limited")
    assert (answer.state, answer.reason) == ("CANCELLED", "Bytes scanned limit was exceeded")
    assert lake.ask("SELECT 1", WorkGroup="limited").state == "SUCCEEDED"


def test_queries_reach_no_file_of_the_machine(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"x")
    lake.table("local", {"x": "bigint"}, f"file://{tmp_path}")
    assert lake.reason("SELECT * FROM local").startswith("HIVE_METASTORE_ERROR: ")
    for function in ("read_text", "read_csv", "glob"):
        assert lake.reason(f"SELECT * FROM {function}('/etc/passwd')").startswith("NOT_SUPPORTED: ")
    assert lake.reason("SELECT getenv('HOME')").startswith("FUNCTION_NOT_FOUND: ")


def test_tables_partitions_and_views_are_made_by_statements(lake: Lake, upload: Any) -> None:
    upload("made/d=1/a.parquet", x=pa.array([1, 2]))
    upload("made/d=2/a.parquet", x=pa.array([3]))
    lake.rows(
        f"CREATE EXTERNAL TABLE made (x bigint COMMENT 'number') PARTITIONED BY (d int) STORED AS PARQUET "
        f"LOCATION 's3://{BUCKET}/made/' TBLPROPERTIES ('a'='b')"
    )
    assert lake.rows("SELECT count(*) FROM made") == [("0",)]
    lake.rows("ALTER TABLE made ADD PARTITION (d = 1)")
    assert lake.rows("SELECT x, d FROM made ORDER BY x") == [("1", "1"), ("2", "1")]
    lake.rows("MSCK REPAIR TABLE made")
    assert lake.rows("SHOW PARTITIONS made") == [("d=1",), ("d=2",)]
    assert lake.rows("DESCRIBE made")[0] == (
        "x                   \tbigint              \tnumber              ",
    )
    assert ("  `x` bigint COMMENT 'number')",) in lake.rows("SHOW CREATE TABLE made")
    lake.rows("CREATE VIEW seen AS SELECT d, sum(x) AS total FROM made GROUP BY d")
    assert lake.rows("SELECT * FROM seen ORDER BY d") == [("1", "3"), ("2", "3")]
    lake.rows("CREATE OR REPLACE VIEW seen AS SELECT d FROM made WHERE x = 3")
    assert lake.rows("SELECT * FROM seen") == [("2",)]
    assert {("made",), ("seen",)} <= set(lake.rows("SHOW TABLES"))
    lake.rows("ALTER TABLE made PARTITION (d = 2) RENAME TO PARTITION (d = 20)")
    assert lake.rows("SELECT x, d FROM made ORDER BY x") == [("1", "1"), ("2", "1"), ("3", "20")]
    lake.rows("ALTER TABLE made DROP PARTITION (d = 1)")
    assert lake.rows("SELECT count(*) FROM made") == [("1",)]
    lake.rows("DROP VIEW seen")
    lake.rows("DROP TABLE made")
    assert "made" in lake.reason("DROP TABLE made")


def test_results_become_tables_and_rows_of_tables(lake: Lake, orders: str) -> None:
    lake.rows(
        "CREATE TABLE copied WITH (format = 'PARQUET', partitioned_by = ARRAY['part'], table_type = 'hive', "
        "is_external = true) AS "
        "SELECT order_id, amount, order_id % 2 AS part FROM orders WHERE order_id < 10"
    )
    assert lake.rows("SHOW PARTITIONS copied") == [("part=0",), ("part=1",)]
    written = lake.ask("INSERT INTO copied VALUES (100, DECIMAL '9.99', 7), (101, NULL, 0)")
    # Clients put the suffix there themselves, and take away what they find.
    assert written.location == f"{RESULTS}{written.execution['QueryExecutionId']}"
    prefix = written.location.removeprefix(f"s3://{BUCKET}/")
    left = [one["Key"] for one in lake.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]]
    assert left == [f"{prefix}-manifest.csv", f"{prefix}.metadata"]
    found = lake.rows("SELECT part, count(*), sum(amount) FROM copied GROUP BY part ORDER BY part")
    assert found == [("0", "6", "6.25"), ("1", "5", "6.25"), ("7", "1", "9.99")]
    assert lake.glue.get_table(DatabaseName="lake", Name="copied")["Table"]["PartitionKeys"] == [
        {"Name": "part", "Type": "bigint"}
    ]
    lake.rows(f"UNLOAD (SELECT * FROM copied) TO 's3://{BUCKET}/unloaded/' WITH (format = 'PARQUET')")
    lake.table("unloaded", {"order_id": "bigint", "part": "bigint"}, f"s3://{BUCKET}/unloaded/")
    assert lake.rows("SELECT count(*), max(part) FROM unloaded") == [("12", "7")]
    assert "TYPE_MISMATCH" in lake.reason("INSERT INTO copied VALUES ('x', 1, 1)")
    assert "TABLE_ALREADY_EXISTS" in lake.reason("CREATE TABLE copied AS SELECT 1 AS x")


def test_one_statement_writes_a_hundred_partitions_at_most(lake: Lake) -> None:
    query = (
        "CREATE TABLE {} WITH (partitioned_by = ARRAY['p'], external_location = '{}') AS "
        "SELECT x AS v, x AS p FROM UNNEST(sequence(1, 101)) AS s (x)"
    )
    place = f"s3://{BUCKET}/many/"
    assert lake.reason(query.format("many", place)).startswith("HIVE_TOO_MANY_OPEN_PARTITIONS: ")
    assert lake.s3.list_objects_v2(Bucket=BUCKET, Prefix="many/").get("Contents", []) == []
    assert lake.rows("SHOW TABLES LIKE 'many'") == []


def test_json_is_read_as_its_serde_reads_it(lake: Lake) -> None:
    lines = (
        '{"Ts": "x", "n": 1}\n\nnot json\r\n{"ts": "y", "N": "2", "tags": ["a"], "addr": {"CITY": "Bern"}}\n'
    )
    lake.s3.put_object(Bucket=BUCKET, Key="json/a.json", Body=lines.encode())
    lake.rows(
        "CREATE EXTERNAL TABLE json_rows (stamp string, n int, tags array<string>, addr struct<city:string>) "
        "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' WITH SERDEPROPERTIES "
        f"('mapping.stamp' = 'ts', 'ignore.malformed.json' = 'true') LOCATION 's3://{BUCKET}/json/'"
    )
    assert lake.rows("SELECT stamp, n, tags, addr.city FROM json_rows ORDER BY n") == [
        ("x", "1", None, None),
        ("y", "2", "[a]", "Bern"),
        (None, None, None, None),
        (None, None, None, None),
    ]
    lake.s3.put_object(Bucket=BUCKET, Key="json/b.json", Body=b'{"ts": "z", "n": 1.5}\n')
    assert 'The JSON value "1.5" in a column of type integer is not supported' in lake.reason(
        "SELECT * FROM json_rows"
    )


def test_projected_partitions_need_no_registration(lake: Lake) -> None:
    made = (
        "CREATE EXTERNAL TABLE {} (n int) PARTITIONED BY (day string, kind string) "
        "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' "
        f"LOCATION 's3://{BUCKET}/projected/' TBLPROPERTIES ('projection.enabled' = 'true', "
        f"'storage.location.template' = 's3://{BUCKET}/projected/${{{{day}}}}/${{{{kind}}}}/', {{}})"
    )
    for place in ("2024-01-01/x", "2024-01-02/y", "2024-01-02/z", "2025-01-01/x"):
        lake.s3.put_object(Bucket=BUCKET, Key=f"projected/{place}/a.json", Body=b'{"N": 1}\n')
    lake.rows(
        made.format(
            "projected",
            "'projection.day.type' = 'date', 'projection.day.range' = '2024-01-01,2024-12-31', "
            "'projection.day.format' = 'yyyy-MM-dd', "
            "'projection.kind.type' = 'enum', 'projection.kind.values' = 'x,y'",
        )
    )
    found = lake.rows("SELECT day, kind, sum(n) FROM projected GROUP BY day, kind ORDER BY day")
    assert found == [("2024-01-01", "x", "1"), ("2024-01-02", "y", "1")]
    assert lake.rows("SELECT sum(n) FROM projected WHERE day > '2024-01-01' AND kind = 'y'") == [("1",)]
    count = "SELECT count(*) FROM \"projected$partitions\" WHERE day <= '2024-01-03'"
    assert lake.rows(count) == [("6",)]
    every = "'projection.day.type' = 'injected', 'projection.kind.type' = 'injected'"
    lake.rows(made.format("injected", every))
    asked = "SELECT sum(n) FROM injected WHERE kind IN ('x', 'z')"
    assert lake.rows(f"{asked} AND day = '2025-01-01'") == [("1",)]
    assert lake.reason(asked).startswith(
        "CONSTRAINT_VIOLATION: For the injected projected partition column day"
    )


def test_the_catalog_is_read_as_tables(lake: Lake, orders: str) -> None:
    assert ("3",) in lake.rows('SELECT count(*) FROM "orders$partitions"')
    columns = "SELECT column_name, ordinal_position, data_type FROM information_schema.columns"
    assert (
        lake.rows(f"{columns} WHERE table_schema = 'lake' AND table_name = 'orders' ORDER BY 2")[-1][0]
        == "day"
    )
    tables = lake.rows(
        "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'lake'"
    )
    assert ("orders", "BASE TABLE") in tables
    assert lake.rows("SELECT * FROM information_schema.tables WHERE table_schema = 'LAKE'") == []
    schemas = "SELECT schema_name FROM awsdatacatalog.information_schema.schemata"
    assert {("lake",), ("information_schema",)} <= set(lake.rows(schemas))
    assert lake.reason("SELECT * FROM information_schema.nothing").startswith("TABLE_NOT_FOUND: ")


def test_delimited_text_is_read_as_its_table_says_or_refused(lake: Lake) -> None:
    lake.s3.put_object(Bucket=BUCKET, Key="text/a.tsv", Body=b"1\tx\n2\t-\n3\nbad\t\n")
    made = "CREATE EXTERNAL TABLE {} ({}) ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\t' {} LOCATION '{}'"
    place = f"s3://{BUCKET}/text/"
    lake.rows(made.format("tabbed", "a int, b string", "NULL DEFINED AS '-'", place))
    assert lake.rows("SELECT a, b FROM tabbed ORDER BY a, b") == [
        ("1", "x"),
        ("2", None),
        ("3", None),
        (None, ""),
    ]
    lake.rows(made.format("escaped", "a int, b string", "ESCAPED BY '\\\\'", place))
    assert lake.reason("SELECT * FROM escaped").startswith("NOT_SUPPORTED: ")


def test_nested_values_of_text_are_parted_by_the_signs_of_their_levels(lake: Lake) -> None:
    lines = b"1|a,b|k:1,l:2|7,x;y\n2||\\N|\n3|\\N,c|k\n"
    lake.s3.put_object(Bucket=BUCKET, Key="nested/a.txt", Body=lines)
    lake.rows(
        "CREATE EXTERNAL TABLE nested_text (i int, l array<string>, m map<string,int>, "
        "s struct<x:int,y:array<string>>) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' "
        "COLLECTION ITEMS TERMINATED BY ',' MAP KEYS TERMINATED BY ':' LOCATION "
        f"'s3://{BUCKET}/nested/'"
    )
    # The third sign parts keys from values, and what is in an array in a row.
    assert lake.rows("SELECT i, l, m, s.x, s.y FROM nested_text ORDER BY i") == [
        ("1", "[a, b]", "{k=1, l=2}", "7", "[x;y]"),
        ("2", "[]", None, None, None),
        ("3", "[null, c]", "{k=null}", None, None),
    ]
    told = lake.athena.get_table_metadata(
        CatalogName="AwsDataCatalog", DatabaseName="lake", TableName="nested_text"
    )["TableMetadata"]["Parameters"]
    signs = {name: sign for name, sign in told.items() if name.startswith("serde.param.")}
    assert signs == {
        "serde.param.collection.delim": ",",
        "serde.param.field.delim": "|",
        "serde.param.mapkey.delim": ":",
        "serde.param.serialization.format": "|",
    }
    lake.s3.put_object(Bucket=BUCKET, Key="nested/b.txt", Body=b"4||k:1,k:2\n")
    assert lake.reason("SELECT m FROM nested_text").startswith("NOT_SUPPORTED: ")


def test_binary_text_is_base64_and_a_bucketed_table_is_read_alone(lake: Lake) -> None:
    lake.s3.put_object(Bucket=BUCKET, Key="bytes/a.txt", Body=b"MTIz\na b!\n")
    lake.rows(
        "CREATE EXTERNAL TABLE bytes_of_text (x binary) CLUSTERED BY (x) INTO 4 BUCKETS "
        f"ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 's3://{BUCKET}/bytes/'"
    )
    assert lake.rows("SELECT x FROM bytes_of_text ORDER BY x") == [("31 32 33",), ("61 20 62 21",)]
    storage = lake.glue.get_table(DatabaseName="lake", Name="bytes_of_text")["Table"]["StorageDescriptor"]
    assert (storage["BucketColumns"], storage["NumberOfBuckets"]) == (["x"], 4)
    assert storage["Location"] == f"s3://{BUCKET}/bytes"
    refused = lake.reason("INSERT INTO bytes_of_text SELECT X'00'")
    assert "INSERT INTO a bucketed table is not supported" in refused


VALUES_OF_ALL_KINDS = (
    "SELECT * FROM (VALUES (1, 'a\"b', DECIMAL '1.50', true, 1e10, DATE '2020-02-29', ARRAY['x', NULL]), "
    "(2, '', NULL, NULL, nan(), NULL, ARRAY[]), (3, NULL, DECIMAL '-0.25', false, NULL, NULL, NULL)) "
    "AS t (i, s, n, b, d, t, l)"
)


@pytest.mark.parametrize("kind", ["TEXTFILE", "JSON"])
def test_text_and_json_are_written_so_that_they_read_alike(lake: Lake, kind: str) -> None:
    query = VALUES_OF_ALL_KINDS if kind == "TEXTFILE" else VALUES_OF_ALL_KINDS.replace("nan()", "0.5e0")
    expected = lake.rows(f"{query} ORDER BY i")
    name, place = f"of_{kind.lower()}", f"s3://{BUCKET}/of-{kind.lower()}/"
    lake.rows(f"CREATE TABLE {name} WITH (format = '{kind}', external_location = '{place}') AS {query}")
    assert lake.rows(f"SELECT * FROM {name} ORDER BY i") == expected
    lake.rows(f"INSERT INTO {name} {query}")
    assert lake.rows(f"SELECT * FROM {name} ORDER BY i") == [row for row in expected for _ in (1, 2)]
    lake.rows(f"INSERT INTO {name} SELECT * FROM {name} WHERE false")
    found = lake.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"of-{kind.lower()}/")["Contents"]
    assert [one["Key"].endswith(".gz") for one in found] == [True, True]


def test_text_of_an_unload_has_its_delimiter_and_null(lake: Lake) -> None:
    query = "SELECT * FROM (VALUES (1, NULL, 'p'), (2, 'x', 'q')) AS t (i, s, k)"
    with_ = "format = 'TEXTFILE', field_delimiter = ';', compression = 'NONE', partitioned_by = ARRAY['k']"
    lake.rows(f"UNLOAD ({query}) TO 's3://{BUCKET}/delimited-out/' WITH ({with_})")
    found = lake.s3.list_objects_v2(Bucket=BUCKET, Prefix="delimited-out/")["Contents"]
    texts = {
        one["Key"].split("/")[1]: lake.s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
        for one in found
    }
    assert texts == {"k=p": b"1;\\N\n", "k=q": b"2;x\n"}
    refused = lake.reason(
        f"UNLOAD (SELECT localtimestamp AS t) TO 's3://{BUCKET}/t/' WITH (format='TEXTFILE')"
    )
    assert refused.startswith("NOT_SUPPORTED: ")


def test_empty_lines_of_text_are_rows_and_values_beyond_the_columns_are_passed_over(lake: Lake) -> None:
    lake.s3.put_object(Bucket=BUCKET, Key="gaps/a.txt", Body=b"a,b\n\n1,2\r\n\n")
    serde = "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'"
    delimited = "ROW FORMAT DELIMITED FIELDS TERMINATED BY ','"
    header = "TBLPROPERTIES ('skip.header.line.count' = '1')"
    for name, columns, text, expected in (
        ("gaps", "x int, y string", delimited, [("1", "2"), (None, None), (None, None)]),
        ("wide_gaps", "x string", delimited, [("", ), ("", ), ("1", )]),
        ("quoted_gaps", "x string, y string", serde, [("1", "2"), (None, None), (None, None)]),
    ):  # fmt: skip
        made = f"CREATE EXTERNAL TABLE {name} ({columns}) {text} LOCATION 's3://{BUCKET}/gaps/' {header}"
        lake.rows(made)
        assert lake.rows(f"SELECT * FROM {name} ORDER BY 1") == expected, name
        assert lake.rows(f"SELECT count(*) FROM {name} WHERE \"$path\" LIKE '%a.txt'") == [("3",)]


def test_tables_whose_files_are_not_all_a_part_of_them_are_refused(lake: Lake) -> None:
    for kind, more in (("delta", {"spark.sql.sources.provider": "delta"}), ("hudi", {"table_type": "HUDI"})):
        lake.table(f"a_{kind}", {"x": "bigint"}, f"s3://{BUCKET}/{kind}/")
        table = lake.glue.get_table(DatabaseName="lake", Name=f"a_{kind}")["Table"]
        given = {k: table[k] for k in ("Name", "TableType", "PartitionKeys", "StorageDescriptor")}
        lake.glue.update_table(DatabaseName="lake", TableInput={**given, "Parameters": more})
        reason = lake.reason(f"SELECT * FROM a_{kind}")
        assert f"The {kind.capitalize()} table lake.a_{kind} is not supported" in reason
    assert "NOT_SUPPORTED" in lake.reason("SELECT json_query('{}', 'lax $' WITH ARRAY WRAPPER)")


def test_what_is_not_done_is_refused_by_name(lake: Lake) -> None:
    lake.table("ice", {"x": "bigint"}, f"s3://{BUCKET}/ice/")
    table = lake.glue.get_table(DatabaseName="lake", Name="ice")["Table"]
    given = {k: table[k] for k in ("Name", "TableType", "PartitionKeys", "StorageDescriptor")}
    lake.glue.update_table(DatabaseName="lake", TableInput={**given, "Parameters": {"table_type": "ICEBERG"}})
    assert lake.reason("SELECT * FROM ice").startswith("ICEBERG_INVALID_METADATA: ")
    with pytest.raises(ClientError, match="no connector is asked for a catalog of the type HIVE"):
        lake.athena.create_data_catalog(Name="other", Type="HIVE")


def test_metadata_is_glues(lake: Lake, orders: str) -> None:
    catalog = {"CatalogName": "AwsDataCatalog"}
    assert lake.athena.get_database(**catalog, DatabaseName="lake")["Database"]["Name"] == "lake"
    table = lake.athena.get_table_metadata(**catalog, DatabaseName="lake", TableName="orders")[
        "TableMetadata"
    ]
    assert [c["Name"] for c in table["Columns"]] == ["order_id", "amount", "note"]
    assert table["PartitionKeys"] == [{"Name": "day", "Type": "date"}]
    # PyAthena reads the code of the message's end.
    told = r"not found \(.*; Error Code: EntityNotFoundException;[^()]*\)$"
    with pytest.raises(lake.athena.exceptions.MetadataException, match=told):
        lake.athena.get_database(**catalog, DatabaseName="nope")
    names = [c["CatalogName"] for c in lake.athena.list_data_catalogs()["DataCatalogsSummary"]]
    assert names == ["AwsDataCatalog"]
    refused = pytest.raises(lake.athena.exceptions.InvalidRequestException, match="DataCatalog other was not")
    with refused:
        lake.ask("SELECT 1", QueryExecutionContext={"Database": "lake", "Catalog": "other"})
    named = {"Database": "lake", "Catalog": "AWSDataCatalog"}
    assert lake.rows("SELECT 1", QueryExecutionContext=named) == [("1",)]


def test_a_catalog_of_glue_is_a_further_name_of_the_accounts(lake: Lake, orders: str) -> None:
    athena, own = lake.athena, {"catalog-id": "000000000000"}
    with pytest.raises(ClientError, match="Glue answers for the account 000000000000 alone, not for 123"):
        athena.create_data_catalog(Name="mine", Type="GLUE", Parameters={"catalog-id": "123456789012"})
    tags = [{"Key": "team", "Value": "lake"}]
    athena.create_data_catalog(Name="mine", Type="GLUE", Parameters=own, Tags=tags)
    with pytest.raises(ClientError, match="already exists"):
        athena.create_data_catalog(Name="Mine", Type="GLUE", Parameters=own)
    athena.update_data_catalog(Name="mine", Type="GLUE", Description="by another name", Parameters=own)
    described = athena.get_data_catalog(Name="mine")["DataCatalog"]
    assert described == {
        "Name": "mine",
        "Type": "GLUE",
        "Description": "by another name",
        "Parameters": own,
    }
    arn = f"arn:aws:athena:{lake.settings.region}:000000000000:datacatalog/mine"
    assert athena.list_tags_for_resource(ResourceARN=arn)["Tags"] == tags
    names = [one["CatalogName"] for one in athena.list_data_catalogs()["DataCatalogsSummary"]]
    assert names == ["AwsDataCatalog", "mine"]
    assert athena.get_database(CatalogName="mine", DatabaseName="lake")["Database"]["Name"] == "lake"
    assert lake.rows("SELECT count(*) FROM mine.lake.orders AS o") == [("3000",)]
    assert lake.rows("SELECT mine.lake.orders.day FROM mine.lake.orders WHERE order_id = 7")
    listed = "SELECT table_catalog FROM mine.information_schema.tables WHERE table_name = 'orders'"
    assert lake.rows(listed) == [("mine",)]
    context = {"Catalog": "mine", "Database": "lake"}
    assert lake.rows("SELECT count(*) FROM orders", QueryExecutionContext=context) == [("3000",)]
    lake.ask("CREATE TABLE mine.lake.renamed AS SELECT 1 AS x")
    assert lake.rows("SELECT x FROM lake.renamed") == [("1",)]
    athena.delete_data_catalog(Name="mine")
    with pytest.raises(ClientError, match="DataCatalog mine was not found"):
        athena.get_data_catalog(Name="mine")
    gone = "CATALOG_NOT_FOUND: line 1:1: Catalog 'mine' does not exist"
    assert lake.reason("INSERT INTO mine.lake.renamed VALUES 2") == gone
    assert lake.reason("SELECT x FROM mine.lake.renamed").startswith("CATALOG_NOT_FOUND: ")
    assert lake.rows("DROP TABLE lake.renamed") == []


def test_engine_answers_while_queries_run(lake: Lake, running_query: str) -> None:
    with urllib.request.urlopen(f"{lake.settings.endpoint_url}/_localstack/health", timeout=5) as answer:
        assert answer.status == 200
    assert lake.rows("SELECT 1") == [("1",)]


def test_nothing_of_the_plane_outlives_the_engine(tmp_path: Path) -> None:
    with started_engine(tmp_path) as running:
        lake = Lake(running)
        lake.start(ENDLESS)
        found = wait_until("workers", lambda: pids if len(pids := workers(lake)) >= 2 else None)
        processes = [psutil.Process(pid) for pid in found]
    assert [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
