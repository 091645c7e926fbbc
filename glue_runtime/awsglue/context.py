"""``GlueContext``: the Spark session and a logger; dynamic frames are not here."""

from __future__ import annotations

from typing import Any

from pyspark.context import SparkContext
from pyspark.sql import SparkSession

from awsglue._unavailable import Refusal


class GlueContext:
    """Wraps a ``SparkContext`` as Glue scripts do.

    Parameters
    ----------
    sparkContext : SparkContext
        The context of the job.

    Attributes
    ----------
    spark_session : SparkSession
        The session of the job; what it offers (``sql``, ``read``, ``createDataFrame`` …) is also
        reached through the ``GlueContext`` itself.
    """

    def __init__(self, sparkContext: SparkContext, **_options: Any) -> None:  # noqa: N803
        self._spark_context = sparkContext
        self.spark_session = SparkSession.builder.getOrCreate()

    def get_logger(self) -> Any:
        """The logger of the job, with ``info``, ``warn``, ``error`` …; it writes to the error log."""
        return self._spark_context._jvm.org.apache.logging.log4j.LogManager.getLogger("GlueLogger")

    def getLogger(self) -> Any:  # noqa: N802
        """Same as :meth:`get_logger`."""
        return self.get_logger()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if hasattr(SparkSession, name):
            return getattr(self.spark_session, name)
        return Refusal(f"GlueContext.{name}")
