"""Connectors of others: data sources of Spark that a script names by their class."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Dict, Iterator, Mapping, Tuple

from awsglue._content import Content, settle
from awsglue._refuse import refuse

KINDS = ("custom.spark", "marketplace.spark")
_OWN = ("className", "connectionName", "path")


def read(session: Any, catalog: Any, kind: str, options: Mapping[str, Any]) -> Content:
    """The records of a connector's source.

    Parameters
    ----------
    session : SparkSession
    catalog : Catalog
        Has the connection.
    kind : str
        One of ``KINDS``.
    options : mapping
        ``className``, or ``connectionName`` of a connection that has it; all others are the connector's.
    """
    name, connector_options = _connector(session, catalog, options)
    with _named(kind, name):
        return Content.of(session.read.format(name).options(**connector_options).load(options.get("path")))


def write(session: Any, catalog: Any, kind: str, options: Mapping[str, Any], content: Content) -> None:
    """Hand records to a connector's sink; see :func:`read`."""
    name, connector_options = _connector(session, catalog, options)
    with _named(kind, name):
        settle(content).df.write.format(name).options(**connector_options).mode("append").save(
            options.get("path")
        )


def _connector(session: Any, catalog: Any, options: Mapping[str, Any]) -> Tuple[str, Dict[str, str]]:
    properties: Mapping[str, str] = {}
    if options.get("connectionName"):
        properties = catalog.connection(options["connectionName"])["ConnectionProperties"]
    # That of a connector of the Marketplace is an image of containers, which holds its jars on AWS.
    if properties.get("CONNECTOR_URL", "").startswith("s3"):
        session.sql(f"ADD JAR '{properties['CONNECTOR_URL']}'")
    name = options.get("className") or properties.get("CONNECTOR_CLASS_NAME")
    if not name:
        raise ValueError("connection_options name no className, and no connection that has one")
    connector_options = {
        key: str(value) for key, value in options.items() if key not in _OWN and value is not None
    }
    return str(name), connector_options


@contextmanager
def _named(kind: str, name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if "DATA_SOURCE_NOT_FOUND" in str(error) or "ailed to find" in str(error):
            jars = "which is not among this run's jars (--extra-jars, or CONNECTOR_URL of its connection)"
            refuse(f"connection_type {kind}", f"{name}, {jars},")
        raise
