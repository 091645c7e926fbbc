"""The interface of a Hive metastore, loaded from its Thrift file.

The names of its structures are made at run time, so a type checker knows none of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import thriftpy2

hive: Any = thriftpy2.load(
    str(Path(__file__).with_name("hive_metastore.thrift")), module_name="hive_metastore_thrift"
)
SERVICE: Any = hive.ThriftHiveMetastore


def declared_exceptions(method: str) -> tuple[type[Exception], ...]:
    """What a method may raise; any other exception ends the connection, and the client tries again."""
    specification = getattr(SERVICE, f"{method}_result").thrift_spec
    return tuple(field[2] for number, field in specification.items() if number)
