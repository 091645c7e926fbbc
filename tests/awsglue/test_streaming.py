"""Streams, batch by batch: those of Kinesis come from the engine."""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

Put = Callable[[str, str], str]
SECONDS = 120.0


@contextmanager
def stopped(spark: Any, is_done: Callable[[], bool]) -> Iterator[None]:
    """Stops the streams once something is done, from another thread: a batch cannot stop its own."""
    ended = threading.Event()

    def stop() -> None:
        deadline = time.monotonic() + SECONDS
        while not is_done() and time.monotonic() < deadline:
            if ended.wait(0.05):
                return
        for query in spark.streams.active:
            query.stop()

    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_stream_is_given_batch_by_batch_with_a_second_try(glue: Any, spark: Any, tmp_path: Any) -> None:
    stream = spark.readStream.format("rate-micro-batch").option("rowsPerBatch", 2).load()
    seen: list[tuple[int, list[str]]] = []

    def batch(frame: Any, number: int) -> None:
        if not seen:
            seen.append((-1, []))
            raise RuntimeError("once")
        timed = glue.add_ingestion_time_columns(frame, "hour")
        seen.append((timed.count(), timed.columns[-4:]))

    options = {"windowSize": "1 second", "checkpointLocation": str(tmp_path), "batchMaxRetries": 1}
    with stopped(spark, lambda: len(seen) > 1):
        glue.forEachBatch(stream, batch, options)
    assert seen[1] == (2, ["ingest_year", "ingest_month", "ingest_day", "ingest_hour"])


@pytest.mark.parametrize(("schema", "expected"), [(None, [1, "x"]), ("b STRING", ["x"])])
def test_records_of_a_stream_are_read_in_each_batch(
    glue: Any, spark: Any, put: Put, tmp_path: Any, schema: str | None, expected: list[Any]
) -> None:
    from awsglue import _streaming

    put("in/a.txt", '{"a": 1, "b": "x"}\n')
    stream = _streaming.records(spark.readStream.text(str(tmp_path / "in")), schema)
    seen: list[list[Any]] = []

    def batch(frame: Any, number: int) -> None:
        seen.extend(list(row) for row in frame.collect())

    options = {"windowSize": "1 second", "checkpointLocation": str(tmp_path / "state"), "batchMaxRetries": 0}
    with stopped(spark, lambda: bool(seen)):
        glue.forEachBatch(stream, batch, options)
    assert seen == [expected]


class Stream:
    """A stream of the engine with two shards, each with a partition key of its own."""

    def __init__(self) -> None:
        import boto3

        self.client = boto3.client("kinesis")
        self.name = f"stream-{uuid.uuid4().hex[:8]}"
        self.client.create_stream(StreamName=self.name, ShardCount=2)
        self.arn = self.client.describe_stream_summary(StreamName=self.name)["StreamDescriptionSummary"][
            "StreamARN"
        ]

    def put(self, *texts: str) -> None:
        # The hashes of these two keys are in different halves.
        entries = [{"Data": text.encode(), "PartitionKey": "ab"[i % 2]} for i, text in enumerate(texts)]
        answer = self.client.put_records(StreamName=self.name, Records=entries)
        assert answer["FailedRecordCount"] == 0


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def run(glue: Any, spark: Any, tmp_path: Any) -> Callable[..., list[Any]]:
    """Reads a stream as a run of a job does: with a new feed, and the checkpoint of the runs before."""

    def read(
        options: dict[str, Any],
        count: int,
        *,
        fails: bool = False,
        meanwhile: Callable[[], None] | None = None,
        source: Any = None,
    ) -> list[Any]:
        from awsglue import _kinesis

        _kinesis._NAMES.clear()
        frame = source() if source else glue.create_data_frame.from_options("kinesis", options)
        seen: list[Any] = []
        began: list[int] = []
        numbers: list[int] = []

        def batch(rows: Any, number: int) -> None:
            seen.extend(row.asDict() for row in rows.collect())
            numbers.append(number)
            if meanwhile and not began:
                began.append(number)
                meanwhile()
            if fails and seen:
                raise RuntimeError("not today")

        state = {"windowSize": "200 milliseconds", "checkpointLocation": str(tmp_path / "state")}

        def is_done() -> bool:
            """Whether the batch has ended, too, which a later run would otherwise repeat."""
            return len(seen) >= count and (tmp_path / "state" / "commits" / str(numbers[-1])).exists()

        with stopped(spark, is_done):
            if fails:
                with pytest.raises(Exception, match="not today"):
                    glue.forEachBatch(frame, batch, {**state, "batchMaxRetries": 0})
            else:
                glue.forEachBatch(frame, batch, {**state, "batchMaxRetries": 0})
        return seen

    return read


ROWS = ['{"a": 1, "b": "x"}', '{"a": 2, "c": [true]}']


@pytest.mark.parametrize(
    ("options", "texts", "expected"),
    [
        ({"inferSchema": "true"}, ROWS, [{"a": 1, "b": "x", "c": None}, {"a": 2, "b": None, "c": [True]}]),
        ({"schema": "a INT, b STRING"}, ROWS, [{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
        (
            {"classification": "csv", "schema": "a INT, b STRING", "delimiter": "|"},
            ["1|x", "2|y"],
            [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
        ),
    ],
)
def test_kinesis_records_are_read_by_their_classification(
    stream: Stream,
    run: Callable[..., list[Any]],
    options: dict[str, str],
    texts: list[str],
    expected: list[Any],
) -> None:
    stream.put(*texts)
    given = {"streamARN": stream.arn, "startingPosition": "TRIM_HORIZON", "classification": "json", **options}
    assert sorted(run(given, 2), key=lambda row: int(row["a"])) == expected


def test_kinesis_columns_and_times_of_records(stream: Stream, run: Callable[..., list[Any]]) -> None:
    given = {"streamName": stream.name, "startingPosition": "earliest"}
    stream.put("no json")
    (row,) = run(given, 1)
    assert (bytes(row["data"]), row["streamName"], row["partitionKey"]) == (b"no json", stream.name, "a")
    assert row["sequenceNumber"].isdigit()
    assert row["approximateArrivalTimestamp"].year >= 2020


def test_kinesis_is_a_format_of_spark(
    glue: Any, spark: Any, stream: Stream, run: Callable[..., list[Any]]
) -> None:
    stream.put("text")

    def source() -> Any:
        reader = spark.readStream.option("streamName", stream.name).format("kinesis")
        return (
            reader.options(startingposition="TRIM_HORIZON").load().selectExpr("CAST(data AS STRING) AS text")
        )

    assert run({}, 1, source=source) == [{"text": "text"}]


def test_kinesis_table_of_the_catalog_gives_schema_and_stream(
    glue: Any, stream: Stream, run: Callable[..., list[Any]]
) -> None:
    import boto3

    client = boto3.client("glue")
    client.create_database(DatabaseInput={"Name": stream.name})
    client.create_table(
        DatabaseName=stream.name,
        TableInput={
            "Name": "events",
            "Parameters": {"classification": "json"},
            "StorageDescriptor": {
                "Columns": [{"Name": "a", "Type": "bigint"}],
                "Location": stream.name,
                "Parameters": {"typeOfData": "kinesis", "streamARN": stream.arn},
            },
        },
    )
    stream.put(*ROWS)
    more = {"startingPosition": "TRIM_HORIZON", "inferSchema": "false", "addRecordTimestamp": "true"}

    def source() -> Any:
        return glue.create_data_frame.from_catalog(stream.name, "events", additional_options=more)

    seen = run({}, 2, source=source)
    assert sorted(row["a"] for row in seen) == [1, 2]
    assert all(row["__src_timestamp"].year >= 2020 for row in seen)


def test_kinesis_run_goes_on_at_the_checkpoint_and_repeats_the_batch_that_failed(
    stream: Stream, run: Callable[..., list[Any]], spark: Any
) -> None:
    from awsglue import _kinesis

    given = {"streamARN": stream.arn, "classification": "json", "schema": "a INT"}

    def values(rows: list[Any]) -> list[int]:
        return sorted(row["a"] for row in rows)

    # What comes before a run that begins with the latest is not read; what comes between runs is.
    stream.put('{"a": 0}')
    assert values(run(given, 2, meanwhile=lambda: stream.put('{"a": 1}', '{"a": 2}'))) == [1, 2]
    stream.put('{"a": 3}', '{"a": 4}')
    failed = run(given, 1, fails=True)
    stream.client.split_shard(
        StreamName=stream.name, ShardToSplit="shardId-000000000000", NewStartingHashKey="1000"
    )
    stream.put('{"a": 5}')
    # Another run is another process: of the files of the one before there is nothing.
    for feed in _kinesis._FEEDS:
        shutil.rmtree(feed.directory, ignore_errors=True)
    again = run(given, 3)
    assert (values(again), values(again[: len(failed)])) == ([3, 4, 5], values(failed))


def test_kinesis_stream_that_is_deleted_ends_the_run(stream: Stream, run: Callable[..., list[Any]]) -> None:
    given = {"streamARN": stream.arn, "classification": "json"}
    with pytest.raises(Exception, match="ResourceNotFound"):
        run(given, 1, meanwhile=lambda: stream.client.delete_stream(StreamName=stream.name))


def test_kinesis_stream_is_written_by_a_query_of_its_own(
    glue: Any, stream: Stream, spark: Any, tmp_path: Any
) -> None:
    stream.put(*ROWS)
    given = {"streamARN": stream.arn, "startingPosition": "trim_horizon", "classification": "json"}
    frame = glue.create_data_frame.from_options("kinesis", {**given, "schema": "a INT"})
    target = str(tmp_path / "out")
    query = (
        frame.writeStream.format("parquet")
        .option("checkpointLocation", str(tmp_path / "state"))
        .trigger(availableNow=True)
        .start(target)
    )
    query.awaitTermination()
    assert sorted(row["a"] for row in spark.read.parquet(target).collect()) == [1, 2]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, "streamARN"),
        ({"streamName": "s", "startingPosition": "tomorrow"}, "startingPosition"),
        ({"streamName": "s", "classification": "grok"}, "classification grok.*not available in Millpond"),
        ({"streamName": "s", "classification": "csv"}, "without schema.*not available in Millpond"),
    ],
)
def test_kinesis_options_that_say_nothing_or_too_much(glue: Any, options: dict[str, str], error: str) -> None:
    with pytest.raises((ValueError, NotImplementedError), match=error):
        glue.create_data_frame.from_options("kinesis", options)


SCRAM = {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_SCRAM_USERNAME": "u"}
LOGIN = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="u" password="a\\"b";'


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, {"security.protocol": "SSL"}),
        ({"KAFKA_SSL_ENABLED": "false"}, {"security.protocol": "PLAINTEXT"}),
        (
            {**SCRAM, "KAFKA_SASL_SCRAM_PASSWORD": 'a"b'},
            {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.jaas.config": LOGIN,
            },
        ),
        ({"KAFKA_SASL_MECHANISM": "AWS_MSK_IAM"}, "KAFKA_SASL_MECHANISM AWS_MSK_IAM"),
        ({"KAFKA_CUSTOM_CERT": "s3://b/ca.pem"}, "KAFKA_CUSTOM_CERT"),
        ({"KAFKA_SASL_MECHANISM": "PLAIN"}, "KAFKA_SASL_MECHANISM PLAIN without KAFKA_SASL_PLAIN_USERNAME"),
    ],
)
def test_connection_of_kafka_says_how_its_client_logs_in_or_is_refused_by_name(properties, expected):
    from awsglue._sources import kafka

    given = {"KAFKA_BOOTSTRAP_SERVERS": "b:9092", **properties}
    if isinstance(expected, str):
        with pytest.raises(NotImplementedError, match=expected):
            kafka.of_connection(given)
        return
    servers = {"kafka.bootstrap.servers": "b:9092"}
    assert kafka.of_connection(given) == {**servers, **{f"kafka.{k}": v for k, v in expected.items()}}
