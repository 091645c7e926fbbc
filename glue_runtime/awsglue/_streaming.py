"""Streams, batch by batch."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional

from pyspark.sql import functions as F  # noqa: N812

from awsglue._refuse import refuse

_RETRIES = 3
_GRANULARITIES = ("year", "month", "day", "hour", "minute")
# The one column of a stream whose records have no schema before a batch of them is there.
_UNREAD = "$json$data_infer_schema$_temporary$"
_KAFKA = {
    "bootstrap.servers": "kafka.bootstrap.servers",
    "security.protocol": "kafka.security.protocol",
    "topicName": "subscribe",
    "assign": "assign",
    "subscribePattern": "subscribePattern",
    "startingOffsets": "startingOffsets",
    "endingOffsets": "endingOffsets",
    "maxOffsetsPerTrigger": "maxOffsetsPerTrigger",
    "minPartitions": "minPartitions",
}


def source(session: Any, catalog: Any, kind: str, options: Mapping[str, Any]) -> Any:
    """A streaming data frame.

    Parameters
    ----------
    session : SparkSession
    catalog : Catalog
    kind : str
        ``kafka``; ``kinesis`` is refused.
    options : mapping
        ``connection_options``. With ``classification`` ``json`` the values are records: of ``schema``,
        or of what ``forEachBatch`` finds in each batch; without one they are Kafka's own columns.
    """
    if kind == "kinesis":
        refuse("create_data_frame", "connection_type kinesis")
    given = dict(options)
    if given.get("connectionName"):
        properties = catalog.connection(given["connectionName"])["ConnectionProperties"]
        given.setdefault("bootstrap.servers", properties.get("KAFKA_BOOTSTRAP_SERVERS"))
    form = str(given.get("classification") or "").lower()
    if form not in ("", "json"):
        refuse("create_data_frame", f"classification {form} of a kafka stream")
    reader = session.readStream.format("kafka")
    for name, value in given.items():
        if name in _KAFKA and value is not None:
            reader = reader.option(_KAFKA[name], value)
        elif name.startswith("kafka."):
            reader = reader.option(name, value)
    return records(reader.load(), given.get("schema")) if form else reader.load()


def records(frame: Any, schema: Optional[str] = None) -> Any:
    """The values of a stream as JSON records; without a schema ``forEachBatch`` makes them so.

    Parameters
    ----------
    frame : DataFrame
        A streaming one with a column ``value``.
    schema : str, optional
        As ``from_json`` takes it.
    """
    text = F.col("value").cast("string")
    if schema:
        return frame.select(F.from_json(text, schema).alias("record")).select("record.*")
    return frame.select(text.alias(_UNREAD))


def for_each_batch(frame: Any, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Call a function for each micro batch; see ``GlueContext.forEachBatch``."""
    writer = frame.writeStream.trigger(processingTime=str(options.get("windowSize") or "100 seconds"))
    location = options.get("checkpointLocation")
    if not location:
        raise ValueError("forEachBatch takes the option checkpointLocation")
    tries = int(options.get("batchMaxRetries", _RETRIES))

    def batch(data_frame: Any, number: int) -> None:
        if data_frame.columns == [_UNREAD]:
            texts = data_frame.rdd.map(lambda row: row[0]).filter(lambda text: text is not None)
            data_frame = data_frame.sparkSession.read.json(texts)
        for left in reversed(range(tries + 1)):
            try:
                function(data_frame, number)
            except Exception:
                if not left:
                    raise
            else:
                return

    writer.option("checkpointLocation", location).foreachBatch(batch).start().awaitTermination()


def with_ingestion_time(frame: Any, granularity: str) -> Any:
    """Columns that say when a batch was read; see ``GlueContext.add_ingestion_time_columns``.

    Raises
    ------
    ValueError
        If the granularity is none.
    """
    if granularity not in _GRANULARITIES:
        raise ValueError(f"timeGranularity is day, hour or minute, not {granularity!r}")
    now = F.current_timestamp()
    for name in _GRANULARITIES[: _GRANULARITIES.index(granularity) + 1]:
        part = {"day": F.dayofmonth}.get(name) or getattr(F, name)
        frame = frame.withColumn(f"ingest_{name}", part(now))
    return frame
