"""Records as files below a path."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from pyspark.sql import functions as F  # noqa: N812

from awsglue import _columns
from awsglue import gluetypes as glue
from awsglue._content import Content, settle
from awsglue._ops import fields
from awsglue._refuse import refuse
from awsglue._sources.scan import flag

_OWN = (
    "path",
    "partitionKeys",
    "compression",
    "enableUpdateCatalog",
    "updateBehavior",
    "catalogDatabase",
    "catalogTableName",
    "catalogId",
    "groupFiles",
    "groupSize",
    "catalogPartitionPredicate",
    "mergeSchema",
)
_CODECS = {"bzip": "bzip2"}


# A character that no text has; as separator it separates nothing.
_NOWHERE = "\u0001"
_TIMESTAMPS = "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"


def _csv(options: Mapping[str, Any]) -> Dict[str, Any]:
    quote = str(options.get("quoteChar", '"'))
    is_quoted = quote != "-1"
    return {
        "sep": str(options.get("separator", ",")) if is_quoted else _NOWHERE,
        "quote": quote if is_quoted else "\u0000",
        "escape": str(options.get("escaper") or (quote if is_quoted else '"')),
        "header": str(flag(options, "writeHeader", default=True)).lower(),
        "emptyValue": "",
        # By default Spark removes spaces around values.
        "ignoreLeadingWhiteSpace": "false",
        "ignoreTrailingWhiteSpace": "false",
    }


def _parquet(options: Mapping[str, Any]) -> Dict[str, Any]:
    parquet_options = {"compression": options.get("compression", "snappy")}
    if options.get("blockSize"):
        parquet_options["parquet.block.size"] = options["blockSize"]
    if options.get("pageSize"):
        parquet_options["parquet.page.size"] = options["pageSize"]
    return parquet_options


# Each format's name for Spark, and its options of ours.
WRITERS: Mapping[str, Tuple[str, Callable[[Mapping[str, Any]], Dict[str, Any]]]] = {
    "avro": ("avro", lambda _: {}),
    "csv": ("csv", _csv),
    "glueparquet": ("parquet", _parquet),
    "json": ("json", lambda _: {}),
    "orc": ("orc", lambda _: {}),
    "parquet": ("parquet", _parquet),
}


def write(
    content: Content, options: Mapping[str, Any], form: Optional[str], format_options: Mapping[str, Any]
) -> None:
    """Add files below a path; those that are there stay.

    Parameters
    ----------
    content : Content
    options : mapping
        ``path``, ``partitionKeys``, ``compression``, and options of Spark's own writer.
    form : str
    format_options : mapping

    Raises
    ------
    ValueError
        If there is no path or no format.
    """
    path = options.get("path")
    if not path:
        raise ValueError("connection_options of an s3 sink name no path")
    if not form:
        raise ValueError("an s3 sink takes a format")
    if form.lower() not in WRITERS:
        refuse("format for output", form)
    spark_name, of_format = WRITERS[form.lower()]
    content = _storable(settle(content), form.lower(), format_options, partition_keys(options))
    if not content.schema.fields:
        # No record ever had a field: there is nothing that a file could hold.
        return
    writer = content.df.write.format(spark_name).mode("append")
    writer = writer.option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
    writer_options = {
        **of_format(format_options),
        **{name: value for name, value in options.items() if name not in _OWN},
    }
    if options.get("compression"):
        writer_options["compression"] = _CODECS.get(str(options["compression"]), options["compression"])
    for name, value in writer_options.items():
        if isinstance(value, (str, int, float, bool)):
            writer = writer.option(name, value)
    keys = partition_keys(options)
    if keys:
        writer = writer.partitionBy(*keys)
    writer.save(str(path))


def partition_keys(options: Mapping[str, Any]) -> List[str]:
    """The option ``partitionKeys``: a list, or one."""
    keys = options.get("partitionKeys") or []
    return [keys] if isinstance(keys, str) else list(keys)


def _storable(content: Content, form: str, options: Mapping[str, Any], keys: Sequence[str]) -> Content:
    """Fields that never have a value, as the format takes them.

    A CSV file has empty places for them, JSON says nothing of them, and Glue's own writer of Parquet finds
    no such field in the records.
    """
    if form in ("json", "glueparquet") or (form == "parquet" and flag(options, "useGlueParquetWriter")):
        return fields.drop_nulls(content)
    if form == "csv" and str(options.get("quoteChar")) == "-1":
        return _lines(content, str(options.get("separator", ",")), keys)
    if form == "csv" and any(isinstance(field.dataType, glue.NullType) for field in content.schema):
        text = glue.StringType()
        return content.select(
            [
                (name, _columns.nothing(text), text)
                if isinstance(kind, glue.NullType)
                else (name, column, kind)
                for name, column, kind in content.parts()
            ]
        )
    return content


def _lines(content: Content, separator: str, keys: Sequence[str]) -> Content:
    """Records as lines that nothing is quoted in: one column, whose name is the header."""
    text = glue.StringType()
    values, names, kept = [], [], []
    for name, column, kind in content.parts():
        if name in keys:
            kept.append((name, column, kind))
            continue
        if isinstance(kind, (glue.StructType, glue.ArrayType, glue.MapType, glue.ChoiceType)):
            raise ValueError(f"format csv holds no {kind.typeName()}: field {name}")
        if isinstance(kind, glue.TimestampType):
            column = F.date_format(column, _TIMESTAMPS)
        names.append(name)
        values.append(F.coalesce(_columns.cast(column, kind, text), F.lit("")))
    return content.select([(separator.join(names), F.concat_ws(separator, *values), text), *kept])
