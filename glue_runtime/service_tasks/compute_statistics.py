"""Computes the statistics of a table's columns, and writes them into the catalog."""

from __future__ import annotations

import datetime
import decimal
from typing import Any, Callable, Dict, List, Mapping, Optional

import boto3
from awsglue import _paths
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql import types as spark
from service_task import ServiceTask

# "UpdateColumnStatisticsForTable" in the API Reference.
_MOST_AT_ONCE = 25


def kind_of(data_type: spark.DataType) -> Optional[str]:
    """``ColumnStatisticsData``'s type of a column, and None where there are no statistics of such."""
    for kinds, name in (
        (spark.BooleanType, "BOOLEAN"),
        ((spark.ByteType, spark.ShortType, spark.IntegerType, spark.LongType), "LONG"),
        ((spark.FloatType, spark.DoubleType), "DOUBLE"),
        (spark.DecimalType, "DECIMAL"),
        (spark.DateType, "DATE"),
        (spark.TimestampType, "LONG"),
        (spark.StringType, "STRING"),
        (spark.BinaryType, "BINARY"),
    ):
        if isinstance(data_type, kinds):  # type: ignore[arg-type]
            return name
    return None


def measures(column: Column, kind: str, data_type: spark.DataType) -> Dict[str, Column]:
    """What is computed of a column."""
    measured = {"nulls": F.sum(F.when(column.isNull(), 1).otherwise(0))}
    if kind == "BOOLEAN":
        measured["trues"] = F.sum(F.when(column, 1).otherwise(0))
        measured["falses"] = F.sum(F.when(~column, 1).otherwise(0))
        return measured
    if kind in ("STRING", "BINARY"):
        length = F.length(column)
        measured["longest"], measured["average"] = F.max(length), F.avg(length)
    else:
        # Moments are seconds since 1970, as Hive has them.
        value = F.unix_timestamp(column) if isinstance(data_type, spark.TimestampType) else column
        measured["least"], measured["most"] = F.min(value), F.max(value)
    if kind != "BINARY":
        measured["distinct"] = F.approx_count_distinct(column)
    return measured


def statistics_of(kind: str, measured: Mapping[str, Any]) -> Dict[str, Any]:
    """``ColumnStatisticsData`` of what was computed."""
    data: Dict[str, Any] = {"NumberOfNulls": int(measured["nulls"] or 0)}
    if kind == "BOOLEAN":
        data["NumberOfTrues"] = int(measured["trues"] or 0)
        data["NumberOfFalses"] = int(measured["falses"] or 0)
    elif kind in ("STRING", "BINARY"):
        data["MaximumLength"] = int(measured["longest"] or 0)
        data["AverageLength"] = float(measured["average"] or 0.0)
    elif measured["least"] is not None:
        convert = _CONVERSIONS[kind]
        data["MinimumValue"], data["MaximumValue"] = convert(measured["least"]), convert(measured["most"])
    if "distinct" in measured:
        data["NumberOfDistinctValues"] = int(measured["distinct"] or 0)
    return {"Type": kind, f"{kind.title()}ColumnStatisticsData": data}


def _decimal(value: decimal.Decimal) -> Dict[str, Any]:
    sign, digits, exponent = value.as_tuple()
    unscaled = int("".join(map(str, digits)) or "0") * (-1 if sign else 1)
    scale = -int(exponent)
    if scale < 0:
        unscaled, scale = unscaled * 10**-scale, 0
    length = (unscaled.bit_length() + 8) // 8
    return {"UnscaledValue": unscaled.to_bytes(length, "big", signed=True), "Scale": scale}


_CONVERSIONS: Dict[str, Callable[[Any], Any]] = {
    "LONG": int,
    "DOUBLE": float,
    "DECIMAL": _decimal,
    "DATE": lambda day: datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.timezone.utc),
}


def compute(df: DataFrame, names: List[str], factor: float) -> List[Dict[str, Any]]:
    """The ``ColumnStatistics`` of columns, of one pass over the rows; counts of a sample are multiplied."""
    fields = {field.name.lower(): field for field in df.schema.fields}
    asked = [fields[name.lower()] for name in names if name.lower() in fields]
    chosen = [(field, kind_of(field.dataType)) for field in asked]
    wanted = [
        column.alias(f"{number}_{name}")
        for number, (field, kind) in enumerate(chosen)
        if kind
        for name, column in measures(F.col(_paths.quote(field.name)), kind, field.dataType).items()
    ]
    if not wanted:
        return []
    row = df.agg(*wanted).collect()[0].asDict()
    listed = []
    for number, (field, kind) in enumerate(chosen):
        if kind:
            measured = {
                name.partition("_")[2]: value
                for name, value in row.items()
                if name.partition("_")[0] == str(number)
            }
            for name in ("nulls", "trues", "falses"):
                if measured.get(name):
                    measured[name] = round(measured[name] * factor)
            listed.append((field.name, statistics_of(kind, measured)))
    return [{"ColumnName": name, "StatisticsData": data} for name, data in listed]


def main() -> None:
    task = ServiceTask()
    source, share = task.work["source"], float(task.work["sample"]) / 100
    df = task.table(source)
    if share < 1:
        df = df.sample(share)
    statistics = compute(df, task.work["columns"], 1 / share)
    types = task.work["types"]
    for column in statistics:
        column["ColumnType"] = types.get(column["ColumnName"].lower(), "string")
        column["AnalyzedTime"] = datetime.datetime.now(datetime.timezone.utc)
    glue = boto3.client("glue")
    for start in range(0, len(statistics), _MOST_AT_ONCE):
        answer = glue.update_column_statistics_for_table(
            DatabaseName=source["DatabaseName"],
            TableName=source["TableName"],
            ColumnStatisticsList=statistics[start : start + _MOST_AT_ONCE],
        )
        if answer.get("Errors"):
            raise RuntimeError(f"statistics were not taken: {answer['Errors']}")
    task.answer({"columns": [column["ColumnName"] for column in statistics]})


if __name__ == "__main__":
    main()
