"""Where ways lead: the endpoints of AWS's services, and the databases of Glue's connections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any
from urllib.parse import urlsplit

ENDPOINTS: Mapping[str, str] = {
    "cloudwatch": "monitoring",
    "ecr": "ecr.api",
    "firehose": "kinesis-firehose",
    "kinesis": "kinesis-streams",
    "stepfunctions": "states",
}
"""Names of services in those of VPC endpoints, where they are others. Source: the AWS PrivateLink Guide, "AWS
services that integrate with AWS PrivateLink"."""

_PORTS = {"mysql": 3306, "oracle": 1521, "postgresql": 5432, "redshift": 5439, "sqlserver": 1433}


def database_of(connection: Mapping[str, Any]) -> tuple[str, int] | None:
    """Address and port of a connection's database.

    None where there is a name in its place, or this machine, which is in no network.
    """
    url = str((connection.get("ConnectionProperties") or {}).get("JDBC_CONNECTION_URL", ""))
    kind, _, rest = url.removeprefix("jdbc:").partition("://")
    try:
        parts = urlsplit(f"//{rest}")
        port = parts.port or _PORTS.get(kind)
    except ValueError:
        return None
    if not parts.hostname or not re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}", parts.hostname):
        return None
    return (parts.hostname, port) if port and not IPv4Address(parts.hostname).is_loopback else None
