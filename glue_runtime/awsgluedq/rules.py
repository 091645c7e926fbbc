"""Each rule type: what it measures, and of which rows it says that they pass.

The rule types and the names of their metrics are those of the "DQDL rule type reference".
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from awsglue import _columns, _paths, _schema, gluetypes
from awsglue._refuse import refuse
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql import types as spark

from awsgluedq import conditions
from awsgluedq.dqdl import DqdlError, Expression, Rule

_ALL = Expression("=", (1.0,))


@dataclass(frozen=True)
class Data:
    """What rules are evaluated over.

    Parameters
    ----------
    primary : DataFrame
    others : mapping
        Additional data sources by alias.
    """

    primary: DataFrame
    others: Mapping[str, DataFrame] = field(default_factory=dict)

    def reference(self, alias: str) -> DataFrame:
        """A data source by its alias.

        Raises
        ------
        DqdlError
            If there is none.
        """
        if alias not in self.others:
            raise DqdlError(f"there is no additional data source {alias}")
        return self.others[alias]


@dataclass(frozen=True)
class Finding:
    """What became of a rule.

    Parameters
    ----------
    is_passed : bool
    metrics : mapping
        Numbers by the names that AWS gives them.
    reason : str, optional
        Why it failed.
    rows : Column, optional
        Whether each row passes, of a rule that says so.
    """

    is_passed: bool
    metrics: Mapping[str, float]
    reason: Optional[str] = None
    rows: Optional[Column] = None


def evaluate(rule: Rule, data: Data) -> Finding:
    """Evaluate a rule.

    A rule that cannot be evaluated, for example for a column that is not there, has failed for that reason.

    Raises
    ------
    NotImplementedError
        For a rule type that needs a model or the files of a source.
    DqdlError
        For a rule type that is none, or lacks what it takes.
    """
    if rule.name in _REFUSED:
        refuse("EvaluateDataQuality", f"rule type {rule.name}")
    if rule.name not in _RULES:
        raise DqdlError(f"{rule.name} is no rule type of DQDL")
    return _RULES[rule.name](rule, data)


def _column(rule: Rule, data: Data, position: int = 0) -> Tuple[str, Column, spark.DataType]:
    if len(rule.parameters) <= position:
        raise DqdlError(f"{rule.name} takes a column: {rule.text}")
    name = rule.parameters[position]
    kinds = {field.name: field.dataType for field in data.primary.schema.fields}
    if name not in kinds:
        raise LookupError(f'Column "{name}" does not exist in the dataset')
    return name, F.col(_paths.quote(name)), kinds[name]


def _expected(rule: Rule) -> Expression:
    if rule.expression is None:
        raise DqdlError(f"{rule.name} takes an expression: {rule.text}")
    return rule.expression


def _rows(rule: Rule, data: Data) -> DataFrame:
    return data.primary.filter(rule.where) if rule.where else data.primary


def _judge(value: Optional[float], metric: str, expression: Expression) -> Finding:
    if value is None or math.isnan(value):
        return Finding(False, {}, f"{metric} has no value: there are no rows to measure")
    if conditions.holds(value, expression):
        return Finding(True, {metric: value})
    return Finding(False, {metric: value}, f"Value: {value} does not meet the constraint requirement!")


def _first(df: DataFrame, *columns: Column) -> Tuple[Any, ...]:
    return tuple(df.agg(*columns).collect()[0])


def _fraction(df: DataFrame, condition: Column) -> Optional[float]:
    total, good = _first(df, F.count(F.lit(1)), F.sum(F.when(condition, 1).otherwise(0)))
    return None if not total else good / total


def _by_rows(rule: Rule, data: Data, condition: Column, metric: str, expression: Expression) -> Finding:
    finding = _judge(_fraction(_rows(rule, data), condition), metric, expression)
    return Finding(finding.is_passed, finding.metrics, finding.reason, _of_rows(rule, condition))


def _of_rows(rule: Rule, condition: Column) -> Column:
    # A row that the rule does not look at neither passes nor fails.
    return F.when(F.expr(rule.where), condition) if rule.where else condition


def _completeness(rule: Rule, data: Data) -> Finding:
    name, column, _ = _column(rule, data)
    expression = _ALL if rule.name == "IsComplete" else _expected(rule)
    return _by_rows(rule, data, column.isNotNull(), f"Column.{name}.Completeness", expression)


def _grouped(rule: Rule, data: Data) -> Tuple[str, DataFrame, List[Column]]:
    names = [_column(rule, data, position)[0] for position in range(len(rule.parameters))]
    columns = [F.col(_paths.quote(name)) for name in names]
    subject = f"Column.{names[0]}" if len(names) == 1 else f"Multicolumn.{','.join(names)}"
    rows = _rows(rule, data)
    for column in columns:
        rows = rows.filter(column.isNotNull())
    counted = rows.groupBy(*(column.alias(f"k{number}") for number, column in enumerate(columns)))
    return subject, counted.agg(F.count(F.lit(1)).alias("times")), columns


def _frequencies(groups: DataFrame) -> Tuple[int, int, int]:
    """Rows that are not null, different values, and values that are there once."""
    counts = _first(
        groups, F.sum("times"), F.count(F.lit(1)), F.sum(F.when(F.col("times") == 1, 1).otherwise(0))
    )
    return tuple(int(count or 0) for count in counts)  # type: ignore[return-value]


def _uniqueness(rule: Rule, data: Data) -> Finding:
    subject, groups, columns = _grouped(rule, data)
    _, _, once = _frequencies(groups)
    total = _rows(rule, data).count()
    expression = _expected(rule) if rule.name == "Uniqueness" else _ALL
    value = once / total if total else None
    metrics = {}
    if rule.name == "IsPrimaryKey":
        complete = F.lit(True)
        for column in columns:
            complete = complete & column.isNotNull()
        metrics = {f"{subject}.Completeness": _fraction(_rows(rule, data), complete) or 0.0}
    finding = _judge(value, f"{subject}.Uniqueness", expression)
    return Finding(
        finding.is_passed,
        {**metrics, **finding.metrics},
        finding.reason,
        _of_rows(rule, _is_once(columns, rule)),
    )


def _is_once(columns: Sequence[Column], rule: Rule) -> Column:
    from pyspark.sql import Window

    present = F.lit(True)
    for column in columns:
        present = present & column.isNotNull()
    counted = F.when(F.expr(rule.where), 1) if rule.where else F.lit(1)
    return present & (F.count(counted).over(Window.partitionBy(*columns)) == 1)


def _distinct(rule: Rule, data: Data) -> Finding:
    subject, groups, _ = _grouped(rule, data)
    _, different, once = _frequencies(groups)
    if rule.name == "DistinctValuesCount":
        return _judge(float(different), f"{subject}.DistinctValuesCount", _expected(rule))
    value = once / different if different else None
    return _judge(value, f"{subject}.UniqueValueRatio", _expected(rule))


def _entropy(rule: Rule, data: Data) -> Finding:
    subject, groups, _ = _grouped(rule, data)
    total, _, _ = _frequencies(groups)
    if not total:
        return _judge(None, f"{subject}.Entropy", _expected(rule))
    share = F.col("times") / F.lit(total)
    (value,) = _first(groups, -F.sum(share * F.log(share)))
    return _judge(abs(value), f"{subject}.Entropy", _expected(rule))


def _statistic(rule: Rule, data: Data) -> Finding:
    name, column, kind = _column(rule, data)
    number = _as_number(column, kind)
    function = {"Mean": F.avg, "Sum": F.sum, "StandardDeviation": F.stddev_pop}[rule.name]
    (value,) = _first(_rows(rule, data), function(number))
    return _judge(None if value is None else float(value), f"Column.{name}.{rule.name}", _expected(rule))


def _as_number(column: Column, kind: spark.DataType) -> Column:
    return _columns.cast(column, _schema.from_spark(kind), gluetypes.DoubleType())


def _correlation(rule: Rule, data: Data) -> Finding:
    first, first_column, kind = _column(rule, data)
    second, other, other_kind = _column(rule, data, 1)
    (value,) = _first(
        _rows(rule, data), F.corr(_as_number(first_column, kind), _as_number(other, other_kind))
    )
    return _judge(value, f"Multicolumn.{first},{second}.ColumnCorrelation", _expected(rule))


def _values(rule: Rule, data: Data) -> Finding:
    name, column, kind = _column(rule, data)
    expression = _expected(rule)
    condition = conditions.matches(column, kind, expression)
    rows = _rows(rule, data)
    total, good, low, high = _first(
        rows,
        F.count(F.lit(1)),
        F.sum(F.when(condition, 1).otherwise(0)),
        F.min(_as_number(column, kind)) if isinstance(kind, spark.NumericType) else F.lit(None),
        F.max(_as_number(column, kind)) if isinstance(kind, spark.NumericType) else F.lit(None),
    )
    metrics = {
        f"Column.{name}.{which}": float(value)
        for which, value in (("Minimum", low), ("Maximum", high))
        if value is not None
    }
    compliance = good / total if total else 1.0
    if not metrics or rule.threshold is not None:
        metrics[f"Column.{name}.ColumnValues.Compliance"] = compliance
    return _complies(rule, compliance, metrics, condition)


def _complies(rule: Rule, compliance: float, metrics: Mapping[str, float], condition: Column) -> Finding:
    is_passed = conditions.holds(compliance, rule.threshold or _ALL)
    reason = None if is_passed else f"Value: {compliance} does not meet the constraint requirement!"
    return Finding(is_passed, metrics, reason, _of_rows(rule, condition))


def _length(rule: Rule, data: Data) -> Finding:
    name, column, _ = _column(rule, data)
    # A null has no length: it counts as 0, as an empty text does.
    length = F.coalesce(F.length(column.cast("string")), F.lit(0))
    condition = conditions.matches(length, spark.IntegerType(), _expected(rule))
    total, good, low, high = _first(
        _rows(rule, data),
        F.count(F.lit(1)),
        F.sum(F.when(condition, 1).otherwise(0)),
        F.min(length),
        F.max(length),
    )
    metrics = {
        f"Column.{name}.{which}": float(value)
        for which, value in (("MinimumLength", low), ("MaximumLength", high))
        if value is not None
    }
    return _complies(rule, good / total if total else 1.0, metrics, condition)


_TYPES: Mapping[str, Callable[[], gluetypes.DataType]] = {
    "boolean": gluetypes.BooleanType,
    "date": gluetypes.DateType,
    "double": gluetypes.DoubleType,
    "float": gluetypes.FloatType,
    "integer": gluetypes.IntegerType,
    "int": gluetypes.IntegerType,
    "long": gluetypes.LongType,
    "timestamp": gluetypes.TimestampType,
}


def _data_type(rule: Rule, data: Data) -> Finding:
    name, column, _ = _column(rule, data)
    wanted = str(_expected(rule).operands[0]).lower()
    if wanted == "string":
        condition = column.isNotNull()
    elif wanted not in _TYPES:
        raise DqdlError(f"{wanted} is no type of ColumnDataType")
    else:
        text = column.cast("string")
        condition = _columns.cast(text, gluetypes.StringType(), _TYPES[wanted]()).isNotNull()
    compliance = _fraction(_rows(rule, data), condition)
    value = 1.0 if compliance is None else compliance
    return _complies(rule, value, {f"Column.{name}.ColumnDataType.Compliance": value}, condition)


def _exists(rule: Rule, data: Data) -> Finding:
    if not rule.parameters:
        raise DqdlError(f"ColumnExists takes a column: {rule.text}")
    name = rule.parameters[0]
    if name in data.primary.columns:
        return Finding(True, {})
    return Finding(False, {}, f'Column "{name}" does not exist in the dataset')


def _column_count(rule: Rule, data: Data) -> Finding:
    return _judge(float(len(data.primary.columns)), "Dataset.*.ColumnCount", _expected(rule))


def _names(rule: Rule, data: Data) -> Finding:
    if not rule.parameters:
        raise DqdlError(f"ColumnNamesMatchPattern takes a pattern: {rule.text}")
    names = data.primary.columns
    odd = [name for name in names if not re.fullmatch(rule.parameters[0], name)]
    value = (len(names) - len(odd)) / len(names) if names else 1.0
    metrics = {"Dataset.*.ColumnNamesPatternMatchRatio": value}
    if not odd:
        return Finding(True, metrics)
    return Finding(False, metrics, f"Columns that do not match the pattern: {', '.join(odd)}")


def _row_count(rule: Rule, data: Data) -> Finding:
    return _judge(float(_rows(rule, data).count()), "Dataset.*.RowCount", _expected(rule))


def _custom_sql(rule: Rule, data: Data) -> Finding:
    if not rule.parameters:
        raise DqdlError(f"CustomSql takes a query: {rule.text}")
    for alias, frame in {"primary": data.primary, **data.others}.items():
        frame.createOrReplaceTempView(alias)
    answer = data.primary.sparkSession.sql(rule.parameters[0])
    if rule.expression is not None:
        row = answer.first()
        value = None if row is None or row[0] is None else float(row[0])
        return _judge(value, "Dataset.*.CustomSQL", rule.expression)
    total = data.primary.count()
    compliance = answer.count() / total if total else 1.0
    is_passed = conditions.holds(compliance, rule.threshold or _ALL)
    reason = None if is_passed else f"Value: {compliance} does not meet the constraint requirement!"
    return Finding(is_passed, {"Dataset.*.CustomSQL.Compliance": compliance}, reason)


def _freshness(rule: Rule, data: Data) -> Finding:
    name, column, kind = _column(rule, data)
    moment = _columns.cast(column, _schema.from_spark(kind), gluetypes.TimestampType())
    age = F.unix_timestamp(F.current_timestamp()) - F.unix_timestamp(moment)
    condition = conditions.matches(age, spark.LongType(), _expected(rule))
    compliance = _fraction(_rows(rule, data), condition)
    value = 1.0 if compliance is None else compliance
    return _complies(rule, value, {f"Column.{name}.DataFreshness.Compliance": value}, condition)


def _split_reference(text: str) -> Tuple[str, str]:
    alias, dot, column = text.partition(".")
    if not dot:
        raise DqdlError(f"{text} names no column of a data source: write alias.column")
    return alias, column


def _integrity(rule: Rule, data: Data) -> Finding:
    if len(rule.parameters) < 2:
        raise DqdlError(f"ReferentialIntegrity takes columns and those that they refer to: {rule.text}")
    names = [name.strip() for name in rule.parameters[0].split(",")]
    alias, referred = _split_reference(rule.parameters[1])
    others = [other_name.strip() for other_name in referred.strip("{}").split(",")]
    missing = [name for name in names if name not in data.primary.columns]
    if missing:
        raise LookupError(f'Column "{missing[0]}" does not exist in the dataset')
    keys = data.reference(alias).select(
        *(F.col(_paths.quote(name)).alias(f"__k{number}") for number, name in enumerate(others))
    )
    rows = _rows(rule, data).select(
        *(F.col(_paths.quote(name)).alias(f"__p{number}") for number, name in enumerate(names))
    )
    condition = F.lit(True)
    for number in range(len(names)):
        condition = condition & (F.col(f"__p{number}") == F.col(f"__k{number}"))
    total = rows.count()
    matching = rows.join(keys.distinct(), condition, "left_semi").count()
    value = matching / total if total else 1.0
    return _judge(value, f"Column.{rule.parameters[1]}.ReferentialIntegrity", _expected(rule))


def _row_count_match(rule: Rule, data: Data) -> Finding:
    own, other = data.primary.count(), data.reference(rule.parameters[0]).count()
    value = own / other if other else float(own == other)
    return _judge(value, f"Dataset.{rule.parameters[0]}.RowCountMatch", _expected(rule))


def _schema_match(rule: Rule, data: Data) -> Finding:
    own = {(field.name, field.dataType.simpleString()) for field in data.primary.schema.fields}
    other = {
        (field.name, field.dataType.simpleString())
        for field in data.reference(rule.parameters[0]).schema.fields
    }
    value = len(own & other) / len(own) if own else 1.0
    return _judge(value, f"Dataset.{rule.parameters[0]}.SchemaMatch", _expected(rule))


def _dataset_match(rule: Rule, data: Data) -> Finding:
    alias, keys = rule.parameters[0], rule.parameters[1]
    pairs = [pair.split("->") for pair in keys.split(",")]
    left = [pair[0].strip() for pair in pairs]
    right = [pair[-1].strip() for pair in pairs]
    other = data.reference(alias)
    compared = (
        [name.strip() for name in rule.parameters[2].split(",")]
        if len(rule.parameters) > 2
        else [name for name in data.primary.columns if name in other.columns and name not in left]
    )
    own_rows = data.primary.select(
        *(F.col(_paths.quote(name)).alias(f"__k{n}") for n, name in enumerate(left)),
        *(F.col(_paths.quote(name)).alias(f"__v{n}") for n, name in enumerate(compared)),
    )
    other_rows = other.select(
        *(F.col(_paths.quote(name)).alias(f"__r{n}") for n, name in enumerate(right)),
        *(F.col(_paths.quote(name)).alias(f"__w{n}") for n, name in enumerate(compared)),
    )
    condition = F.lit(True)
    for number in range(len(left)):
        condition = condition & (F.col(f"__k{number}") == F.col(f"__r{number}"))
    same = F.lit(True)
    for number in range(len(compared)):
        same = same & F.col(f"__v{number}").eqNullSafe(F.col(f"__w{number}"))
    matching = own_rows.join(other_rows, condition).filter(same).count()
    total = max(own_rows.count(), other_rows.count())
    value = matching / total if total else 1.0
    return _judge(value, f"Dataset.{alias}.DatasetMatch", _expected(rule))


def _aggregate_match(rule: Rule, data: Data) -> Finding:
    values = []
    for text in rule.parameters[:2]:
        match = re.fullmatch(r"\s*(\w+)\((?:(\w+)\.)?([^)]*)\)\s*", text)
        if match is None or match[1].lower() not in ("avg", "sum", "min", "max", "count"):
            raise DqdlError(f"{text} is no aggregation of AggregateMatch")
        alias, column = match[2], match[3].strip()
        frame = data.primary if alias in (None, "primary") else data.reference(alias)
        name = column if column == "*" else _paths.quote(column)
        (value,) = tuple(frame.selectExpr(f"{match[1]}({name})").collect()[0])
        values.append(value)
    if len(values) < 2:
        raise DqdlError(f"AggregateMatch takes two aggregations: {rule.text}")
    if any(value is None for value in values):
        ratio = None
    else:
        ratio = float(values[0]) / float(values[1]) if values[1] else float(values[0] == values[1])
    return _judge(ratio, "Dataset.*.AggregateMatch", _expected(rule))


_RULES: Dict[str, Callable[[Rule, Data], Finding]] = {
    "AggregateMatch": _aggregate_match,
    "ColumnCorrelation": _correlation,
    "ColumnCount": _column_count,
    "ColumnDataType": _data_type,
    "ColumnExists": _exists,
    "ColumnLength": _length,
    "ColumnNamesMatchPattern": _names,
    "ColumnValues": _values,
    "Completeness": _completeness,
    "CustomSql": _custom_sql,
    "DataFreshness": _freshness,
    "DatasetMatch": _dataset_match,
    "DistinctValuesCount": _distinct,
    "Entropy": _entropy,
    "IsComplete": _completeness,
    "IsPrimaryKey": _uniqueness,
    "IsUnique": _uniqueness,
    "Mean": _statistic,
    "ReferentialIntegrity": _integrity,
    "RowCount": _row_count,
    "RowCountMatch": _row_count_match,
    "SchemaMatch": _schema_match,
    "StandardDeviation": _statistic,
    "Sum": _statistic,
    "UniqueValueRatio": _distinct,
    "Uniqueness": _uniqueness,
}
_REFUSED = ("AllStatistics", "DetectAnomalies", "FileFreshness", "FileMatch", "FileSize", "FileUniqueness")
