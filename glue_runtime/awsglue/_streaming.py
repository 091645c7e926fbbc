"""Streams, batch by batch."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from pyspark.sql import functions as F  # noqa: N812

from awsglue._refuse import refuse

_GRANULARITIES = ("year", "month", "day", "hour", "minute")
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
        ``connection_options``. The values stay as they are in the column ``$value$data_infer_schema$`` of
        AWS only when ``classification`` is given; here that is refused.
    """
    if kind == "kinesis":
        refuse("create_data_frame", "connection_type kinesis")
    given = dict(options)
    if given.get("connectionName"):
        properties = catalog.connection(given["connectionName"])["ConnectionProperties"]
        given.setdefault("bootstrap.servers", properties.get("KAFKA_BOOTSTRAP_SERVERS"))
    for name in ("classification", "inferSchema"):
        if str(given.get(name) or "").lower() not in ("", "false"):
            refuse("create_data_frame", f"{name} of a kafka stream")
    reader = session.readStream.format("kafka")
    for name, value in given.items():
        if name in _KAFKA and value is not None:
            reader = reader.option(_KAFKA[name], value)
        elif name.startswith("kafka."):
            reader = reader.option(name, value)
    return reader.load()


def for_each_batch(frame: Any, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Call a function for each micro batch; see ``GlueContext.forEachBatch``."""
    writer = frame.writeStream.trigger(processingTime=str(options.get("windowSize") or "100 seconds"))
    location = options.get("checkpointLocation")
    if not location:
        raise ValueError("forEachBatch takes the option checkpointLocation")
    tries = int(options.get("batchMaxRetries") or 3)

    def batch(data_frame: Any, number: int) -> None:
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
