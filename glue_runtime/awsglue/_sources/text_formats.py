"""CSV and JSON, whose records are read without a schema."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from pyspark import StorageLevel
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql import types as spark

from awsglue import _files, _infer, _json_path, _paths, _schema
from awsglue import gluetypes as glue
from awsglue._content import Content, union
from awsglue._ops import choices
from awsglue._refuse import refuse
from awsglue._sources.scan import Scan, empty, flag

_HEADS_AT_ONCE = 8


def read_csv(scan: Scan, options: Mapping[str, Any]) -> Content:
    """Comma-separated values; every field is a text, but for the types that the Data Catalog gives.

    Parameters
    ----------
    scan : Scan
    options : mapping
        ``separator``, ``quoteChar``, ``escaper``, ``withHeader``, ``skipFirst``, ``multiLine``.
    """
    if scan.columns is not None:
        return _csv(scan, options, [field.name for field in scan.columns], scan.columns)
    groups: Dict[Tuple[str, ...], List[str]] = defaultdict(list)
    with ThreadPoolExecutor(_HEADS_AT_ONCE) as pool:
        lines = pool.map(lambda path: _files.first_line(scan.session, path), scan.paths)
        for path, line in zip(scan.paths, lines, strict=True):
            if line is not None:
                groups[tuple(_names(line, options))].append(path)
    if not groups:
        return empty(scan.session)
    if not flag(options, "withHeader"):
        # Fields have no names but their numbers: files differ only in how many there are.
        widest = max(groups, key=len)
        return _csv(scan, options, list(widest), None)
    return union(
        [_csv(replace(scan, paths=paths), options, list(names), None) for names, paths in groups.items()]
    )


def _quote(options: Mapping[str, Any]) -> str:
    character = options.get("quoteChar", '"')
    return "" if str(character) == "-1" else str(character)


def _names(line: str, options: Mapping[str, Any]) -> List[str]:
    quote = _quote(options)
    reader = csv.reader(
        [line],
        delimiter=str(options.get("separator", ",")),
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        escapechar=_escaper(options),
    )
    values = next(reader)
    return values if flag(options, "withHeader") else [f"col{number}" for number in range(len(values))]


def _escaper(options: Mapping[str, Any]) -> Optional[str]:
    character = options.get("escaper")
    return None if character in (None, "", "-1", -1) else str(character)


def _csv(
    scan: Scan, options: Mapping[str, Any], names: List[str], columns: Optional[glue.StructType]
) -> Content:
    quote = _quote(options)
    fields = [spark.StructField(f"c{number}", spark.StringType()) for number in range(len(names))]
    keys = [spark.StructField(field.name, spark.StringType()) for field in scan.key_fields()]
    skips = flag(options, "withHeader") or flag(options, "skipFirst")
    reader = scan.reader(
        sep=str(options.get("separator", ",")),
        quote=quote,
        # Without an escaper a quote inside a quoted field is doubled (RFC 4180).
        escape=_escaper(options) or quote or "\\",
        header=str(skips).lower(),
        multiLine=str(flag(options, "multiLine")).lower(),
        encoding=options.get("encoding"),
        enforceSchema="true",
        emptyValue="",
    ).schema(spark.StructType([*fields, *keys]))
    df = scan.load(reader, "csv")
    columns_ = [F.coalesce(F.col(f"c{number}"), F.lit("")).alias(name) for number, name in enumerate(names)]
    df = df.select(*columns_, *(F.col(_paths.quote(key.name)) for key in keys))
    if columns is None:
        return scan.with_keys(Content.of(df))
    pending = {
        column.name: column.dataType for column in columns if not isinstance(column.dataType, glue.StringType)
    }
    schema = glue.StructType(
        [
            glue.Field(column.name, glue.ChoiceType([column.dataType, glue.StringType()]))
            if column.name in pending
            else column
            for column in columns
        ]
        + scan.key_fields()
    )
    return scan.with_keys(Content(df, schema, pending))


def read_json(scan: Scan, options: Mapping[str, Any]) -> Content:
    """JSON, a record a line or, with ``multiLine``, records one after another.

    The types are those of the values: one pass finds them. Where no field is a choice, Spark's own reader
    reads the records then; else they are read as they were typed.

    Parameters
    ----------
    scan : Scan
    options : mapping
        ``multiLine``, ``jsonPath``.
    """
    whole = flag(options, "multiLine")
    path = _json_path.parse(str(options["jsonPath"])) if options.get("jsonPath") else None
    keys = [spark.StructField(field.name, spark.StringType()) for field in scan.key_fields()]
    layout = spark.StructType([spark.StructField("value", spark.StringType()), *keys])
    texts = scan.load(scan.reader(wholetext=str(whole).lower()).schema(layout), "text")
    lines = texts.rdd.map(tuple)
    seen, bad = lines.mapPartitions(lambda rows: _observed(rows, path)).fold(({"struct": {}}, 0), _together)
    schema = _refined(_infer.as_struct(seen), scan.columns)
    assert isinstance(schema, glue.StructType)
    if not schema.fields and not bad:
        return empty(scan.session) if not keys else scan.with_keys(_of_lines(scan, lines, schema, keys, path))
    # Spark takes a file of several lines for one value; here it may be several records.
    if bad or path or whole or choices.holds_choice(schema):
        content = _of_lines(scan, lines, schema, keys, path)
    else:
        target = spark.StructType([*_schema.struct_to_spark(schema).fields, *keys])
        reader = scan.reader(multiLine=str(whole).lower()).schema(target)
        content = Content(scan.load(reader, "json"), glue.StructType([*schema, *scan.key_fields()]))
    return scan.with_keys(content)


def _observed(rows: Any, path: Optional[_json_path.Path]) -> Iterator[Tuple[_infer.Seen, int]]:
    seen: _infer.Seen = {"struct": {}}
    bad = 0
    for row in rows:
        for record, error in _records(row[0], path):
            if error is None:
                _infer.observe(record, seen)
            else:
                bad += 1
    yield seen, bad


def _together(left: Tuple[_infer.Seen, int], right: Tuple[_infer.Seen, int]) -> Tuple[_infer.Seen, int]:
    return _infer.merge(left[0], right[0]), left[1] + right[1]


def _records(text: str, path: Optional[_json_path.Path]) -> Iterator[Tuple[Any, Optional[str]]]:
    """The records in a text, or what is wrong with it."""
    decoder, position = json.JSONDecoder(), 0
    text = text.lstrip("\ufeff")
    while True:
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
        if position >= len(text):
            return
        try:
            value, position = decoder.raw_decode(text, position)
        except ValueError as error:
            yield text[position:], str(error)
            return
        records = _json_path.find(value, path) if path else value if isinstance(value, list) else [value]
        for content in records:
            yield (
                (content, None)
                if isinstance(content, dict)
                else (json.dumps(content), "a record is a JSON object")
            )


def _of_lines(
    scan: Scan, lines: Any, schema: glue.StructType, keys: List[Any], path: Optional[_json_path.Path]
) -> Content:
    def rows(lines: Any) -> Iterator[Any]:
        for row in lines:
            for record, error in _records(row[0], path):
                if error is None:
                    yield True, (*_infer.physical(record, schema), *row[1:])
                else:
                    yield False, (error, record)

    done = lines.mapPartitions(rows).persist(StorageLevel.MEMORY_AND_DISK)
    layout = spark.StructType([*_schema.struct_to_spark(schema).fields, *keys])
    good = scan.session.createDataFrame(
        done.filter(lambda row: row[0]).map(lambda row: row[1]), layout, verifySchema=False
    )
    errors = scan.session.createDataFrame(
        done.filter(lambda row: not row[0]).map(lambda row: row[1]), "msg string, record string"
    )
    return Content(good, glue.StructType([*schema, *scan.key_fields()])).failing(errors)


_NUMBERS = ("byte", "short", "int", "long", "float", "double", "decimal")


def _refined(kind: glue.DataType, known: Optional[glue.DataType]) -> glue.DataType:
    """Types that were seen, in the wider ones of the Data Catalog: ``bigint`` where the numbers are small."""
    if known is None:
        return kind
    if isinstance(kind, glue.StructType) and isinstance(known, glue.StructType):
        by_name = {field.name.lower(): field for field in known}
        fields = []
        for field in kind:
            own = by_name.get(field.name.lower())
            fields.append(glue.Field(field.name, _refined(field.dataType, own.dataType if own else None)))
        order = [field.name.lower() for field in known]
        fields.sort(
            key=lambda field: order.index(field.name.lower()) if field.name.lower() in order else len(order)
        )
        return glue.StructType(fields)
    if isinstance(kind, glue.ArrayType) and isinstance(known, glue.ArrayType):
        return glue.ArrayType(_refined(kind.elementType, known.elementType))
    if isinstance(known, glue.MapType) and isinstance(kind, glue.StructType):
        return kind
    members = list(kind.choices) if isinstance(kind, glue.ChoiceType) else [kind.typeName()]
    if all(name in _NUMBERS for name in members) and known.typeName() in _NUMBERS:
        widest = max(_NUMBERS.index(name) for name in members)
        return known if _NUMBERS.index(known.typeName()) >= widest else kind
    return kind


def check_compression(paths: Any, options: Mapping[str, Any]) -> None:
    """Refuse a ``compressionType`` that the names of the files do not show: Spark goes by names alone."""
    compression = str(options.get("compressionType") or "").lower()
    ending = {"gzip": ".gz", "bzip": ".bz2", "bzip2": ".bz2"}.get(compression)
    if compression in ("", "none", "uncompressed"):
        return
    if ending is None or not all(path.endswith(ending) for path in paths):
        refuse(
            "connection_options",
            f"compressionType {compression} of files whose names do not end with {ending}",
        )
