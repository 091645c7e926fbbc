"""The transforms of Glue Studio that its scripts import as modules of their own, as ``gs_now``.

Importing such a module adds a method of its name to ``DynamicFrame`` and to Spark's ``DataFrame``. Source of
what each does: its page in "Configuring transform nodes" of the Glue Developer Guide; the parameters' names
are those in scripts that Studio generates.
"""

from __future__ import annotations

from functools import wraps
from typing import Any, Callable, List, Mapping, Optional, Sequence, Union

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql import types as T  # noqa: N812

_JAVA_PATTERNS: Mapping[str, str] = {
    "%Y": "yyyy",
    "%y": "yy",
    "%m": "MM",
    "%B": "MMMM",
    "%b": "MMM",
    "%d": "dd",
    "%A": "EEEE",
    "%a": "EEE",
    "%H": "HH",
    "%I": "hh",
    "%p": "a",
    "%M": "mm",
    "%S": "ss",
    "%f": "SSSSSS",
}
# A number beyond this is a time in milliseconds: as seconds it would be in the year 5138.
_MILLISECONDS_FROM = 10**11


def _name(name: str) -> str:
    return name[1:-1] if name.startswith("`") and name.endswith("`") else name


def _column(df: DataFrame, name: str) -> Column:
    plain = _name(name)
    return F.col("`" + plain.replace("`", "``") + "`") if plain in df.columns else F.col(name)


def _pattern(pattern: str) -> str:
    """A format of Spark's; one of Python's, with percent signs, is translated."""
    for code, java in _JAVA_PATTERNS.items():
        pattern = pattern.replace(code, java)
    if "%" in pattern:
        raise ValueError(f"{pattern!r} is not a format of timestamps")
    return pattern


def gs_now(df: DataFrame, colName: str = "timestamp", dateFormat: Optional[str] = None) -> DataFrame:
    """Add the current time, as a timestamp or as a text of a format."""
    now = F.current_timestamp()
    return df.withColumn(_name(colName), F.date_format(now, _pattern(dateFormat)) if dateFormat else now)


def gs_derived(df: DataFrame, colName: str, expr: str) -> DataFrame:
    """Add or replace a column by an expression of Spark SQL."""
    return df.withColumn(_name(colName), F.expr(expr))


def gs_uuid(df: DataFrame, colName: str = "uuid") -> DataFrame:
    """Add an identifier that no other row has."""
    return df.withColumn(_name(colName), F.expr("uuid()"))


def gs_concat(
    df: DataFrame, colName: str, colList: Sequence[str], spacer: str = "", nullValue: str = ""
) -> DataFrame:
    """Add a text of several columns with a spacer between them; a null is an empty text, or ``nullValue``."""
    texts = [F.coalesce(_column(df, name).cast("string"), F.lit(nullValue)) for name in colList]
    return df.withColumn(_name(colName), F.concat_ws(spacer, *texts))


def gs_split(df: DataFrame, colName: str, pattern: str, newColName: Optional[str] = None) -> DataFrame:
    """Make an array of the parts of a text between what a regular expression matches."""
    return df.withColumn(_name(newColName or colName), F.split(_column(df, colName), pattern))


def gs_array_to_cols(
    df: DataFrame, colName: str, colList: Union[str, Sequence[str]], indexes: Union[str, Sequence[Any]] = ""
) -> DataFrame:
    """Add elements of an array as columns: the first ones, or those of indexes that begin with 1."""
    names, array = _listed(colList), _column(df, colName)
    wanted = [int(index) for index in _listed(indexes)] or list(range(1, len(names) + 1))
    if len(wanted) != len(names):
        raise ValueError(f"gs_array_to_cols: {len(names)} columns of {len(wanted)} indexes")
    for name, index in zip(names, wanted, strict=True):
        element = F.when(F.size(array) >= index, F.element_at(array, index))
        df = df.withColumn(_name(name), element)
    return df


def gs_explode(df: DataFrame, colName: str, newCol: str, outer: bool = False) -> DataFrame:
    """Make a row of each element of an array, or of each entry of a map; with ``outer`` also of an empty one.

    Of a map the value is the new column, and the key is a column ``key``.
    """
    column, explode = _column(df, colName), F.explode_outer if outer else F.explode
    if not isinstance(df.select(column).schema[0].dataType, T.MapType):
        return df.withColumn(_name(newCol), explode(column))
    others = ["`" + name + "`" for name in df.columns if name not in ("key", _name(newCol))]
    return df.select(*others, explode(column).alias("key", _name(newCol)))


def gs_flatten(df: DataFrame, maxLevels: int = 0, separator: str = ".") -> DataFrame:
    """Make fields of structs columns, named by their paths; down to so many levels, or all."""
    level = 0
    while any(isinstance(field.dataType, T.StructType) for field in df.schema):
        if maxLevels and level >= int(maxLevels):
            break
        level += 1
        columns: List[Column] = []
        for field in df.schema:
            outer = _column(df, field.name)
            if not isinstance(field.dataType, T.StructType):
                columns.append(outer)
                continue
            columns += [
                outer.getField(inner.name).alias(f"{field.name}{separator}{inner.name}")
                for inner in field.dataType
            ]
        df = df.select(*columns)
    return df


def gs_null_rows(df: DataFrame, extended: bool = False) -> DataFrame:
    """Drop rows of which every column is null; with ``extended``, empty texts, arrays and maps are, too."""
    says_something = F.lit(False)
    for field in df.schema:
        column = _column(df, field.name)
        has_value = column.isNotNull()
        if extended and isinstance(field.dataType, T.StringType):
            has_value = has_value & (column != "")
        elif extended and isinstance(field.dataType, (T.ArrayType, T.MapType)):
            has_value = has_value & (F.size(column) > 0)
        says_something = says_something | has_value
    return df.where(says_something)


def gs_to_timestamp(
    df: DataFrame, colName: str, colType: str = "autodetect", newColName: Optional[str] = None
) -> DataFrame:
    """Make a timestamp of a number of seconds or milliseconds since 1970, or of an ISO text.

    Parameters
    ----------
    df : DataFrame
    colName : str
    colType : str
        ``autodetect``, ``iso``, ``seconds`` or ``milliseconds``; what does not convert becomes null.
    newColName : str, optional
    """
    plain = _name(colName)
    quoted = "`" + plain.replace("`", "``") + "`" if plain in df.columns else colName
    # TRY_CAST, and no cast: with spark.sql.ansi.enabled that would fail where a value does not convert.
    number = F.expr(f"TRY_CAST(CAST({quoted} AS STRING) AS DOUBLE)")
    iso = F.expr(f"TRY_CAST({quoted} AS TIMESTAMP)")
    kind = df.select(_column(df, colName)).schema[0].dataType
    if isinstance(kind, T.NumericType):
        iso = F.lit(None).cast("timestamp")
    seconds, milliseconds = number.cast("timestamp"), (number / 1000).cast("timestamp")
    is_milliseconds = F.abs(number) >= _MILLISECONDS_FROM
    made = {
        "seconds": seconds,
        "milliseconds": milliseconds,
        "iso": iso,
        "autodetect": F.when(is_milliseconds, milliseconds).when(number.isNotNull(), seconds).otherwise(iso),
    }
    if colType not in made:
        raise ValueError(f"colType is one of {', '.join(made)}, not {colType}")
    return df.withColumn(_name(newColName or colName), made[colType])


def gs_format_timestamp(
    df: DataFrame, colName: str, dateFormat: str, newColName: Optional[str] = None
) -> DataFrame:
    """Make a text of a timestamp."""
    text = F.date_format(_column(df, colName), _pattern(dateFormat))
    return df.withColumn(_name(newColName or colName), text)


def gs_repartition(df: DataFrame, numPartitionsStr: Union[str, int] = "") -> DataFrame:
    """Spread the rows evenly, over so many partitions or as many as there are cores."""
    cores = df.sparkSession.sparkContext.defaultParallelism
    return df.repartition(int(numPartitionsStr) if numPartitionsStr else cores)


def gs_parse_json(df: DataFrame, colName: str, newColName: Optional[str] = None) -> DataFrame:
    """Make a struct or an array of a text of JSON, of the schema that all the texts have together."""
    column = _column(df, colName)
    # The field around it lets Spark's reader find arrays, too.
    texts = df.where(column.isNotNull()).select(F.concat(F.lit('{"a":'), column, F.lit("}"))).rdd
    schema = df.sparkSession.read.json(texts.map(lambda row: row[0])).schema
    kind = schema["a"].dataType if "a" in schema.names else T.StringType()
    wrapped = F.from_json(
        F.concat(F.lit('{"a":'), column, F.lit("}")), T.StructType([T.StructField("a", kind)])
    )
    return df.withColumn(_name(newColName or colName), wrapped.getField("a"))


def gs_pivot(df: DataFrame, aggCol: str, aggFunction: str, colList: Sequence[str]) -> DataFrame:
    """Make columns of the values of some columns, with an aggregate of another in them.

    The values of several are joined by ``_``; all other columns stay and group the rows.
    """
    used = {_name(column) for column in (aggCol, *colList)}
    others = [_column(df, name) for name in df.columns if name not in used]
    keys = F.concat_ws("_", *[_column(df, column).cast("string") for column in colList])
    rows = df.select(*others, _column(df, aggCol).alias("_value"), keys.alias("_key"))
    names = ["`" + name + "`" for name in rows.columns[:-2]]
    return rows.groupBy(*names).pivot("_key").agg(getattr(F, aggFunction)("_value"))


def _listed(listing: Union[str, Sequence[Any]]) -> List[str]:
    parts = listing.split(",") if isinstance(listing, str) else [str(item) for item in listing]
    return [part.strip() for part in parts if part.strip()]


TRANSFORMS: Mapping[str, Callable[..., DataFrame]] = {
    function.__name__: function
    for function in (
        gs_array_to_cols,
        gs_concat,
        gs_derived,
        gs_explode,
        gs_flatten,
        gs_format_timestamp,
        gs_now,
        gs_null_rows,
        gs_parse_json,
        gs_pivot,
        gs_repartition,
        gs_split,
        gs_to_timestamp,
        gs_uuid,
    )
}


def attach(name: str) -> Callable[..., DataFrame]:
    """Give ``DynamicFrame`` and ``DataFrame`` a transform as a method.

    Parameters
    ----------
    name : str
        One of ``TRANSFORMS``.
    """
    from awsglue.dynamicframe import DynamicFrame

    transform = TRANSFORMS[name]

    @wraps(transform)
    def of_frame(self: Any, *args: Any, **kwargs: Any) -> Any:
        return DynamicFrame.fromDF(transform(self.toDF(), *args, **kwargs), self.glue_ctx, self.name)

    setattr(DynamicFrame, name, of_frame)
    setattr(DataFrame, name, transform)
    return transform
