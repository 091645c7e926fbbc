"""What a Trino server is told: its own configuration, its catalogs, and who may see which.

One catalog answers for tables of every format: the Hive connector hands Iceberg, Delta and Hudi tables over
to three more, whose names nobody writes. "Hive connector", "Table redirection", of Trino's documentation.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

from millpond.planes.athena.exceptions import CATALOG
from millpond.planes.common.context import PlaneContext

ICEBERG, DELTA, HUDI = (f"{CATALOG}_{kind}" for kind in ("iceberg", "delta", "hudi"))
WATCHER = "millpond"
"""The user that looks whether the server is ready; others see no system tables."""

_ACCESS = """hive.metastore.glue.endpoint-url={endpoint}
hive.metastore.glue.region={region}
hive.metastore.glue.aws-access-key={account}
hive.metastore.glue.aws-secret-key=athena
fs.native-s3.enabled=true
s3.endpoint={endpoint}
s3.region={region}
s3.path-style-access=true
s3.aws-access-key={account}
s3.aws-secret-key=athena
"""
_CATALOGS = {
    CATALOG: f"""connector.name=hive
hive.metastore=glue
hive.security=allow-all
hive.iceberg-catalog-name={ICEBERG}
hive.delta-lake-catalog-name={DELTA}
hive.hudi-catalog-name={HUDI}
hive.non-managed-table-writes-enabled=true
hive.non-managed-table-creates-enabled=true
hive.partition-projection-enabled=true
hive.recursive-directories=true
hive.collect-column-statistics-on-write=false
""",
    ICEBERG: f"""connector.name=iceberg
iceberg.catalog.type=glue
iceberg.security=allow-all
iceberg.hive-catalog-name={CATALOG}
iceberg.expire-snapshots.min-retention=0s
iceberg.remove-orphan-files.min-retention=0s
""",
    DELTA: f"""connector.name=delta_lake
hive.metastore=glue
delta.security=allow-all
delta.hive-catalog-name={CATALOG}
""",
    HUDI: """connector.name=hudi
hive.metastore=glue
""",
}
_SERVER = """coordinator=true
node-scheduler.include-coordinator=true
http-server.http.port={port}
discovery.uri=http://127.0.0.1:{port}
catalog.config-dir={run}/catalog
plugin.dir={home}/plugin
node.environment=millpond
node.id=n1
node.bind-ip=127.0.0.1
node.internal-address=127.0.0.1
query.max-memory=1GB
query.max-memory-per-node=800MB
memory.heap-headroom-per-node=256MB
query.client.timeout=1m
"""
_LEVELS = "io.trino=WARN\nio.airlift=WARN\norg=WARN\nBootstrap=WARN\n"
_EVERYTHING = ["SELECT", "INSERT", "DELETE", "UPDATE", "OWNERSHIP", "GRANT_SELECT"]
# The catalog "system" is open to everybody unless its tables are not: "File-based access control".
_RULES = {
    "tables": [
        {"user": WATCHER, "catalog": "system", "privileges": ["SELECT"]},
        {"catalog": "system", "privileges": []},
        {"privileges": _EVERYTHING},
    ]
}


def write_configuration(run: Path, home: Path, port: int, context: PlaneContext) -> Path:
    """Write everything below a directory; gives the file that the server is started with.

    Parameters
    ----------
    run : Path
        The directory.
    home : Path
        Where Trino is installed.
    port : int
        Where it is to listen, on 127.0.0.1.
    context : PlaneContext
        The account and region whose catalog it reads.
    """
    (run / "catalog").mkdir(parents=True, exist_ok=True)
    access = _ACCESS.format(
        endpoint=_loopback(context.endpoint_url), region=context.region, account=context.account_id
    )
    for name, text in _CATALOGS.items():
        (run / "catalog" / f"{name}.properties").write_text(text + access)
    (run / "rules.json").write_text(json.dumps(_RULES))
    control = f"access-control.name=file\nsecurity.config-file={run}/rules.json\n"
    (run / "access-control.properties").write_text(control)
    (run / "log.properties").write_text(_LEVELS)
    configuration = run / "config.properties"
    text = _SERVER.format(port=port, run=run, home=home)
    configuration.write_text(f"{text}access-control.config-files={run}/access-control.properties\n")
    return configuration


def _loopback(url: str) -> str:
    """Java may take ``localhost`` for an address of IPv6, where nothing listens."""
    return url.replace("localhost", "127.0.0.1") if urlsplit(url).hostname == "localhost" else url
