"""Recommends rules for a table: what its rows have in common now, as rules that they all pass."""

from __future__ import annotations

import json
from typing import Any, Dict, List

from awsglue import _paths
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql import types as spark
from service_task import ServiceTask

# A column with so few different values, and so many rows for each, is one of named values.
_MOST_VALUES = 20
_LEAST_ROWS = 5


def profile(df: DataFrame) -> Dict[str, Any]:
    """The number of rows, and of each column how full it is, how many values it has, and how they spread."""
    measures = [F.count(F.lit(1)).alias("rows")]
    for number, field in enumerate(df.schema.fields):
        column = F.col(_paths.quote(field.name))
        measures.append(F.count(column).alias(f"c{number}"))
        if isinstance(field.dataType, spark.AtomicType):
            measures.append(F.countDistinct(column).alias(f"d{number}"))
        if isinstance(field.dataType, spark.NumericType):
            measures.append(F.stddev_pop(column).cast("double").alias(f"s{number}"))
            measures.append(F.min(column).cast("double").alias(f"l{number}"))
            measures.append(F.max(column).cast("double").alias(f"h{number}"))
        elif isinstance(field.dataType, spark.StringType):
            measures.append(F.min(F.length(column)).cast("double").alias(f"l{number}"))
            measures.append(F.max(F.length(column)).cast("double").alias(f"h{number}"))
    return df.agg(*measures).collect()[0].asDict()


def rules_of(df: DataFrame) -> List[str]:
    """The rules, each as DQDL has it."""
    profiled = profile(df)
    rows = profiled["rows"]
    # Between excludes its ends.
    rules = [f"RowCount between {rows // 2 - 1} and {rows * 2 + 1}"]
    if not rows:
        return rules
    for number, field in enumerate(df.schema.fields):
        rules.extend(
            _of_column(
                df, field, {name[0]: profiled[name] for name in profiled if name[1:] == str(number)}, rows
            )
        )
    return rules


def _of_column(df: DataFrame, field: Any, profiled: Dict[str, Any], rows: int) -> List[str]:
    name, count, values = json.dumps(field.name, ensure_ascii=False), profiled["c"], profiled.get("d", 0)
    most = f"with threshold >= {_lower(count / rows)}"
    rules = [f"IsComplete {name}"] if count == rows else [f"Completeness {name} >= {_lower(count / rows)}"]
    if not count:
        return rules
    # Uniqueness is a share of all rows, so a column with nulls does not reach it.
    if values == count == rows > 1:
        rules.append(f"Uniqueness {name} > 0.95")
    is_text = isinstance(field.dataType, spark.StringType)
    if is_text and values <= _MOST_VALUES and values * _LEAST_ROWS <= count:
        column = F.col(_paths.quote(field.name))
        named = sorted(row[0] for row in df.select(column).where(column.isNotNull()).distinct().collect())
        listed = ", ".join(json.dumps(value, ensure_ascii=False) for value in named)
        # A null fails a rule on values, so the share of rows that must pass is said.
        rules.append(f"ColumnValues {name} in [{listed}] {most}")
    elif is_text:
        low, high = int(profiled["l"]), int(profiled["h"])
        rules.append(f"ColumnLength {name} between {low - 1} and {high + 1} {most}")
    elif isinstance(field.dataType, spark.NumericType):
        if profiled["s"]:
            low, high = profiled["s"] * 0.95, profiled["s"] * 1.05
            rules.append(f"StandardDeviation {name} between {low:.6f} and {high:.6f}")
        if profiled["l"] is not None and profiled["l"] >= 0:
            rules.append(f"ColumnValues {name} >= 0 {most}")
    return rules


def _lower(fraction: float) -> float:
    """A fraction that the rows of today are above, in hundredths."""
    return max(0.0, int(fraction * 100) / 100)


def main() -> None:
    task = ServiceTask()
    rules = rules_of(task.table(task.work["source"]).cache())
    listed = ",\n    ".join(rules)
    task.answer({"ruleset": f"Rules = [\n    {listed}\n]"})


if __name__ == "__main__":
    main()
