"""Topics of Kafka: streams that are read, and records that are written.

"Kafka connections" in the Glue Developer Guide, and the connection properties of ``Connection`` in the API
Reference (``KAFKA_…``).
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Dict, Mapping

from pyspark.sql import functions as F  # noqa: N812

from awsglue._content import Content, settle
from awsglue._refuse import refuse

HEADERS = "glue_streaming_kafka_headers"
# Options of Glue, and what Spark's source calls them.
_READ = {
    "topicName": "subscribe",
    "assign": "assign",
    "subscribePattern": "subscribePattern",
    "startingOffsets": "startingOffsets",
    "endingOffsets": "endingOffsets",
    "maxOffsetsPerTrigger": "maxOffsetsPerTrigger",
    "minPartitions": "minPartitions",
    "pollTimeoutMs": "kafkaConsumer.pollTimeoutMs",
    "numRetries": "fetchOffset.numRetries",
    "retryIntervalMs": "fetchOffset.retryIntervalMs",
}
_CLUSTER = {"bootstrap.servers": "kafka.bootstrap.servers", "security.protocol": "kafka.security.protocol"}
_NOT_WRITTEN_BY = ("key", "partition", "avroSchema")
# Files that a client of a cluster with certificates of its own needs.
_CERTIFICATES = ("KAFKA_CUSTOM_CERT", "KAFKA_CLIENT_KEYSTORE")
_LOGINS = {
    "SCRAM-SHA-512": ("scram.ScramLoginModule", "KAFKA_SASL_SCRAM_USERNAME", "KAFKA_SASL_SCRAM_PASSWORD"),
    "PLAIN": ("plain.PlainLoginModule", "KAFKA_SASL_PLAIN_USERNAME", "KAFKA_SASL_PLAIN_PASSWORD"),
}


def read(session: Any, catalog: Any, options: Mapping[str, Any]) -> Any:
    """A topic as a streaming data frame, with Kafka's own columns.

    Parameters
    ----------
    session : SparkSession
    catalog : Catalog
        Has the connection.
    options : mapping
        ``connectionName`` or ``bootstrap.servers``; ``topicName``, ``assign`` or ``subscribePattern``;
        ``startingOffsets``, ``startingTimestamp``, ``includeHeaders`` …
    """
    reader = session.readStream.format("kafka").options(**_cluster(catalog, options))
    for name, option in options.items():
        if name in _READ and option is not None:
            reader = reader.option(_READ[name], str(option))
    if options.get("startingTimestamp"):
        reader = reader.option("startingTimestamp", _milliseconds(str(options["startingTimestamp"])))
    if str(options.get("includeHeaders") or "").lower() != "true":
        return reader.load()
    frame = reader.option("includeHeaders", "true").load()
    texts = F.transform(
        "headers",
        lambda message: F.struct(message["key"].alias("key"), message["value"].cast("string").alias("value")),
    )
    return frame.withColumn(HEADERS, texts).drop("headers")


def write(catalog: Any, options: Mapping[str, Any], content: Content) -> None:
    """Send each record to a topic, as JSON or CSV.

    Parameters
    ----------
    catalog : Catalog
        Has the connection.
    options : mapping
        ``connectionName`` or ``bootstrap.servers``; ``topic``, unless the records have a column of that
        name; ``classification``, and of CSV ``delimiter``.
    content : Content

    Raises
    ------
    ValueError
        If there is no topic.
    """
    for name in _NOT_WRITTEN_BY:
        if options.get(name):
            refuse("connection_type kafka for output", name)
    form = str(options.get("classification") or "json").lower()
    if form not in ("json", "csv"):
        refuse("connection_type kafka for output", f"classification {form}")
    frame = settle(content).df
    topic = options.get("topic") or options.get("topicName")
    if not topic and "topic" not in frame.columns:
        raise ValueError("connection_options of a kafka sink name no topic, and the records have none")
    record = F.struct(*(F.col("`" + name.replace("`", "``") + "`") for name in frame.columns))
    separator = {"sep": str(options.get("delimiter") or ",")}
    value = F.to_json(record) if form == "json" else F.to_csv(record, separator)
    columns = [value.alias("value")] + ([] if topic else [F.col("topic").cast("string").alias("topic")])
    writer = frame.select(*columns).write.format("kafka").options(**_cluster(catalog, options))
    (writer.option("topic", str(topic)) if topic else writer).save()


def _cluster(catalog: Any, options: Mapping[str, Any]) -> Dict[str, str]:
    """How Kafka's client reaches the cluster: by a connection, and by options, which win."""
    cluster: Dict[str, str] = {}
    if options.get("connectionName"):
        cluster = of_connection(catalog.connection(options["connectionName"])["ConnectionProperties"])
    for name, option in options.items():
        if option is not None and (name in _CLUSTER or name.startswith("kafka.")):
            cluster[_CLUSTER.get(name, name)] = str(option)
    return cluster


def of_connection(properties: Mapping[str, str]) -> Dict[str, str]:
    """What a connection's properties say to Kafka's client.

    Parameters
    ----------
    properties : mapping
        ``ConnectionProperties``; ``KAFKA_SSL_ENABLED`` is true unless it says otherwise.

    Raises
    ------
    NotImplementedError
        Naming certificates, or a mechanism that only AWS has.

    Examples
    --------
    >>> of_connection({"KAFKA_BOOTSTRAP_SERVERS": "b:9092", "KAFKA_SSL_ENABLED": "false"})
    {'kafka.bootstrap.servers': 'b:9092', 'kafka.security.protocol': 'PLAINTEXT'}
    """
    for name in _CERTIFICATES:
        if properties.get(name):
            refuse("connection_type kafka", name)
    is_encrypted = properties.get("KAFKA_SSL_ENABLED", "true").lower() != "false"
    mechanism = properties.get("KAFKA_SASL_MECHANISM", "")
    layers = ("SASL_" if mechanism else "") + ("SSL" if is_encrypted else "PLAINTEXT")
    kafka_options = {
        "kafka.bootstrap.servers": properties.get("KAFKA_BOOTSTRAP_SERVERS", ""),
        "kafka.security.protocol": layers,
    }
    if not mechanism:
        return kafka_options
    if mechanism not in _LOGINS:
        refuse("connection_type kafka", f"KAFKA_SASL_MECHANISM {mechanism}")
    module, user, password = _LOGINS[mechanism]
    if user not in properties:
        refuse("connection_type kafka", f"KAFKA_SASL_MECHANISM {mechanism} without {user}")
    login = (
        f"org.apache.kafka.common.security.{module} required "
        f"username={_quoted(properties[user])} password={_quoted(properties.get(password, ''))};"
    )
    return {**kafka_options, "kafka.sasl.mechanism": mechanism, "kafka.sasl.jaas.config": login}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _milliseconds(text: str) -> int:
    """An instant as ``yyyy-mm-ddTHH:MM:SSZ``, in milliseconds since the epoch."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() * 1000)
