"""Glue's ``awsglue`` library over Spark's data frames.

Written from the public documentation of the API. What is not here raises ``NotImplementedError`` with the
name of what was called: a script never gets an answer that AWS would not have given. ``docs/awsglue.md``
says of each method how far it goes.
"""

from __future__ import annotations

import importlib.util
from typing import Any

# A Python shell job imports this package, too, and has no Spark.
__all__ = ["DynamicFrame"] if importlib.util.find_spec("pyspark") else []


def __getattr__(name: str) -> Any:
    if name in ("DynamicFrame", "DynamicFrameCollection"):
        from awsglue import dynamicframe

        return getattr(dynamicframe, name)
    raise AttributeError(f"module 'awsglue' has no attribute {name!r}")
