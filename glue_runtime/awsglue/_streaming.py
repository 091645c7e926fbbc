"""Streams, batch by batch."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, Sequence

from pyspark.sql import functions as F  # noqa: N812

from awsglue import _kinesis, _schema
from awsglue._refuse import refuse
from awsglue._sources import kafka

_RETRIES = 3
_GRANULARITIES = ("year", "month", "day", "hour", "minute")
# The one column of a stream whose records have no schema before a batch of them is there.
_UNREAD = "$json$data_infer_schema$_temporary$"
# When a record came to the stream (the option addRecordTimestamp).
_ARRIVED = "__src_timestamp"
_PARSERS = {"json": F.from_json, "csv": F.from_csv}


def source(session: Any, catalog: Any, kind: str, options: Mapping[str, Any]) -> Any:
    """A streaming data frame.

    Parameters
    ----------
    session : SparkSession
    catalog : Catalog
    kind : str
        ``kafka`` or ``kinesis``.
    options : mapping
        ``connection_options``. With ``classification`` the values are records: of ``schema``, or, of JSON, of
        what ``forEachBatch`` finds in each batch; without one they are the columns of Kafka or of Kinesis.
    """
    form = str(options.get("classification") or "").lower()
    if form not in ("", *_PARSERS):
        refuse("create_data_frame", f"classification {form} of a {kind} stream")
    schema = options.get("schema")
    if form == "csv" and not schema:
        refuse("create_data_frame", f"classification csv of a {kind} stream without schema")
    if kind == "kinesis":
        frame, value = _kinesis.stream(session, options), "data"
        arrived = F.col("approximateArrivalTimestamp")
    else:
        frame, value = kafka.read(session, catalog, options), "value"
        arrived = F.col("timestamp")
    if not form:
        return frame
    with_time = str(options.get("addRecordTimestamp") or "").lower() == "true"
    others = [arrived.alias(_ARRIVED)] if with_time else []
    others += [F.col(kafka.HEADERS)] if kafka.HEADERS in frame.columns else []
    return records(frame, schema, form, value, others, str(options.get("delimiter") or ","))


def catalog_options(table: Any, kind: str, additional: Mapping[str, Any]) -> Dict[str, Any]:
    """The options of a stream that is a table of the Data Catalog.

    Parameters
    ----------
    table : Table
    kind : str
        ``kafka`` or ``kinesis``.
    additional : mapping
        ``additional_options``, which win. The table's columns are the schema unless ``inferSchema`` is true.
    """
    options = {**table.parameters, **additional}
    form = table.classification
    options["classification"] = "" if form == kind else form
    if kind == "kinesis" and not (options.get("streamARN") or options.get("streamName")):
        options["streamName"] = table.location
    if str(options.get("inferSchema") or "").lower() != "true" and table.columns.fields:
        options.setdefault("schema", _schema.struct_to_spark(table.columns))
    return options


def records(
    frame: Any,
    schema: Any = None,
    form: str = "json",
    value: str = "value",
    others: Sequence[Any] = (),
    delimiter: str = ",",
) -> Any:
    """The values of a stream as records; of JSON without a schema ``forEachBatch`` makes them so.

    Parameters
    ----------
    frame : DataFrame
        A streaming one.
    schema : str or StructType, optional
        As ``from_json`` takes it.
    form : str
        ``json`` or ``csv``.
    value : str
        The column with the values.
    others : sequence of Column
        Columns beside those of the records.
    delimiter : str
        Of CSV.
    """
    text = F.col(value).cast("string")
    if not schema:
        return frame.select(text.alias(_UNREAD), *others)
    read = _PARSERS[form]
    parsed = frame.select(read(text, schema, {"sep": delimiter}).alias(_UNREAD), *others)
    return parsed.select(f"`{_UNREAD}`.*", *parsed.columns[1:])


def _inferred(frame: Any) -> Any:
    """The records of a batch of JSON, of the fields that are found in it."""
    session, others = frame.sparkSession, [name for name in frame.columns if name != _UNREAD]
    texts = frame.select(_UNREAD).rdd.map(lambda row: row[0]).filter(lambda text: text is not None)
    read = session.read.json(texts)
    if not others:
        return read
    record = F.from_json(F.col(f"`{_UNREAD}`"), read.schema).alias(_UNREAD)
    return frame.select(record, *others).select(f"`{_UNREAD}`.*", *others)


def for_each_batch(frame: Any, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Call a function for each micro batch; see ``GlueContext.forEachBatch``."""
    writer = frame.writeStream.trigger(processingTime=str(options.get("windowSize") or "100 seconds"))
    location = options.get("checkpointLocation")
    if not location:
        raise ValueError("forEachBatch takes the option checkpointLocation")
    tries = int(options.get("batchMaxRetries", _RETRIES))

    def batch(data_frame: Any, number: int) -> None:
        if _UNREAD in data_frame.columns:
            data_frame = _inferred(data_frame)
        for left in reversed(range(tries + 1)):
            try:
                function(data_frame, number)
            except Exception:
                if not left:
                    raise
            else:
                return

    query = writer.option("checkpointLocation", location).foreachBatch(batch).start()
    try:
        query.awaitTermination()
    except Exception as error:
        reason = _kinesis.failed_feed(frame)
        if reason is None:
            raise
        raise reason from error


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
