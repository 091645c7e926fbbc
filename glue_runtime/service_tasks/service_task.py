"""What a script of the service's own is given, and how it answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Dict, Mapping

from awsglue.context import GlueContext
from pyspark.context import SparkContext
from pyspark.sql import DataFrame

_OPTION = "--millpond-task"


class ServiceTask:
    """One task.

    Parameters
    ----------
    work : mapping
        What it is to do.
    """

    def __init__(self) -> None:
        self._folder = Path(sys.argv[sys.argv.index(_OPTION) + 1])
        self.work: Dict[str, Any] = json.loads((self._folder / "work.json").read_text())
        self.context = GlueContext(SparkContext.getOrCreate())

    def table(self, source: Mapping[str, Any]) -> DataFrame:
        """The rows of a ``GlueTable`` structure."""
        options = dict(source.get("AdditionalOptions") or {})
        frame = self.context.create_dynamic_frame.from_catalog(
            database=source["DatabaseName"],
            table_name=source["TableName"],
            push_down_predicate=options.pop("pushDownPredicate", ""),
            additional_options=options,
        )
        return frame.toDF()

    def answer(self, result: Mapping[str, Any]) -> None:
        """Leave what was found."""
        (self._folder / "answer.json").write_text(json.dumps(result))
