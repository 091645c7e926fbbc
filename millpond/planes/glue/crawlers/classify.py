"""Finds out what a file is: first by the crawler's own classifiers, then by the built-in ones."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from millpond.base.ranged import RangedObject
from millpond.planes.common.regexes import RegexError
from millpond.planes.glue.crawlers.files import S3File, read_sample
from millpond.planes.glue.crawlers.grok import grok_pattern
from millpond.planes.glue.crawlers.schemas import Column, FileSchema, wider
from millpond.planes.glue.exceptions import InvalidInputException

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Shape = dict[str, Any]

UNKNOWN = FileSchema("unknown", (), "unknown")
_DELIMITERS = (",", "|", "\t", ";", "\x01")
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_DOUBLE = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_MOST_HEADER_CHARACTERS = 150
_INT_MAX = 2**31


def classify(s3: S3Client, file: S3File, classifiers: Sequence[Shape] = ()) -> FileSchema:
    """What a file is; ``UNKNOWN`` if no classifier knows it.

    Parameters
    ----------
    s3 : S3Client
        Reads it.
    file : S3File
        Which.
    classifiers : sequence of dict
        ``Classifier`` structures, in the order that they are asked.
    """
    start, is_whole = read_sample(s3, file)
    try:
        text = _whole_lines(start, is_whole).decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    asked = [partial(_custom, kind, given) for one in classifiers for kind, given in one.items()]
    if text and (found := _first(asked, text)) is not None:
        return _counted(found, file, text)
    for magic, read in _MAGIC.items():
        if start.startswith(magic):
            return read(s3, file, start)
    found = _first((_json, _xml, _csv), text) if text else None
    return _counted(found, file, text) if found is not None else UNKNOWN


def _custom(kind: str, given: Shape, text: str) -> FileSchema | None:
    return _CUSTOM[kind](text, given)


def _first(asked: Iterable[Callable[[str], FileSchema | None]], text: str) -> FileSchema | None:
    return next((found for ask in asked if (found := ask(text)) is not None), None)


def _counted(found: FileSchema, file: S3File, text: str) -> FileSchema:
    return replace(found, bytes_read=len(text.encode()), compression=file.compression)


def _whole_lines(content: bytes, is_whole: bool) -> bytes:
    return content if is_whole or b"\n" not in content else content[: content.rfind(b"\n") + 1]


def _lower(name: str) -> str:
    return name.strip().lower()


# Formats that say what they are


def _parquet(s3: S3Client, file: S3File, _start: bytes) -> FileSchema:
    import pyarrow.parquet as pq

    with pq.ParquetFile(RangedObject(s3, file.bucket, file.key, file.size)) as opened:
        columns = tuple((_lower(one.name), hive_type(one.type)) for one in opened.schema_arrow)
        codec = opened.metadata.row_group(0).column(0).compression if opened.metadata.num_row_groups else ""
        records = opened.metadata.num_rows
    compression = codec.lower() if codec not in ("", "UNCOMPRESSED") else "none"
    return FileSchema("parquet", columns, "parquet", {}, {}, records, file.size, compression)


def _orc(s3: S3Client, file: S3File, _start: bytes) -> FileSchema:
    import pyarrow.orc as po

    opened = po.ORCFile(RangedObject(s3, file.bucket, file.key, file.size))
    columns = tuple((_lower(one.name), hive_type(one.type)) for one in opened.schema)
    return FileSchema("orc", columns, "orc", {}, {}, opened.nrows, file.size)


def hive_type(kind: Any) -> str:
    """Hive's type of one of Arrow's."""
    import pyarrow.types as pt

    simple: tuple[tuple[Callable[[Any], bool], str], ...] = (
        (pt.is_boolean, "boolean"),
        (pt.is_int8, "tinyint"),
        (pt.is_int16, "smallint"),
        (pt.is_int32, "int"),
        (pt.is_uint8, "smallint"),
        (pt.is_uint16, "int"),
        (pt.is_integer, "bigint"),
        (pt.is_float32, "float"),
        (pt.is_floating, "double"),
        (pt.is_date, "date"),
        (pt.is_timestamp, "timestamp"),
        (pt.is_binary, "binary"),
        (pt.is_large_binary, "binary"),
        (pt.is_fixed_size_binary, "binary"),
    )
    if pt.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pt.is_dictionary(kind):
        return hive_type(kind.value_type)
    if pt.is_struct(kind):
        return f"struct<{','.join(f'{field.name.lower()}:{hive_type(field.type)}' for field in kind)}>"
    if pt.is_map(kind):
        return f"map<{hive_type(kind.key_type)},{hive_type(kind.item_type)}>"
    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        return f"array<{hive_type(kind.value_type)}>"
    return next((name for is_kind, name in simple if is_kind(kind)), "string")


def _avro(_s3: Any, _file: S3File, start: bytes) -> FileSchema:
    header = _avro_header(io.BytesIO(start[4:]))
    literal = header["avro.schema"].decode()
    schema = json.loads(literal)
    columns = tuple((_lower(one["name"]), _avro_type(one["type"])) for one in schema.get("fields", []))
    codec = header.get("avro.codec", b"null").decode()
    compression = "none" if codec == "null" else codec
    serde = {"avro.schema.literal": literal}
    return FileSchema("avro", columns, "avro", serde, serde, 0, 0, compression)


_MAGIC: Mapping[bytes, Callable[[Any, S3File, bytes], FileSchema]] = {
    b"PAR1": _parquet,
    b"ORC": _orc,
    b"Obj\x01": _avro,
}


def _avro_header(stream: io.BytesIO) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    while count := _avro_long(stream):
        if count < 0:
            count = -count
            _avro_long(stream)
        for _ in range(count):
            key = stream.read(_avro_long(stream)).decode()
            found[key] = stream.read(_avro_long(stream))
    return found


def _avro_long(stream: io.BytesIO) -> int:
    number = shift = 0
    while True:
        byte = stream.read(1)[0]
        number |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return (number >> 1) ^ -(number & 1)


_AVRO = {"long": "bigint", "bytes": "binary", "fixed": "binary", "enum": "string", "null": "string"}


def _avro_type(kind: Any) -> str:
    if isinstance(kind, list):
        present = [one for one in kind if one != "null"]
        return _avro_type(present[0]) if len(present) == 1 else "string"
    if not isinstance(kind, dict):
        return str(_AVRO.get(kind, kind))
    match kind.get("logicalType"):
        case "date":
            return "date"
        case "decimal":
            return f"decimal({kind['precision']},{kind.get('scale', 0)})"
        case "timestamp-millis" | "timestamp-micros":
            return "timestamp"
    match kind["type"]:
        case "record":
            fields = (f"{one['name'].lower()}:{_avro_type(one['type'])}" for one in kind["fields"])
            return f"struct<{','.join(fields)}>"
        case "array":
            return f"array<{_avro_type(kind['items'])}>"
        case "map":
            return f"map<string,{_avro_type(kind['values'])}>"
    return _avro_type(kind["type"])


# Texts


def _json(text: str) -> FileSchema | None:
    stripped = text.lstrip()
    if stripped[:1] not in ("{", "["):
        return None
    try:
        records = [json.loads(line) for line in stripped.splitlines() if line.strip()]
    except ValueError:
        records = _json_documents(stripped)
        if not records:
            return None
    if any(isinstance(one, list) for one in records):
        # The built-in classifier sees one column in a document that is an array.
        kind = _union(_json_type(one) for one in records)
        return FileSchema("json", (("array", kind),), "json", {"paths": ""}, {}, len(records))
    return _of_records(records)


def _json_documents(text: str) -> list[Any]:
    decoder, place, found = json.JSONDecoder(), 0, []
    while place < len(text):
        try:
            one, place = decoder.raw_decode(text, place)
        except ValueError:
            return []
        found.append(one)
        while place < len(text) and text[place].isspace():
            place += 1
    return found


def _of_records(records: list[Any]) -> FileSchema | None:
    if not records or not all(isinstance(one, dict) for one in records):
        return None
    kinds: dict[str, str] = {}
    for record in records:
        for name, value in record.items():
            kind = _json_type(value)
            kinds[_lower(name)] = wider(kinds.get(_lower(name), ""), kind)
    columns = tuple((name, kind or "string") for name, kind in kinds.items())
    return FileSchema("json", columns, "json", {"paths": ",".join(kinds)}, {}, len(records))


def _json_type(value: Any) -> str:
    """Hive's type of a value; empty for null, which fits any."""
    match value:
        case None:
            return ""
        case bool():
            return "boolean"
        case int():
            return "int" if -_INT_MAX <= value < _INT_MAX else "bigint"
        case float():
            return "double"
        case list():
            return f"array<{_union(_json_type(one) for one in value) or 'string'}>"
        case dict():
            fields = (f"{_lower(name)}:{_json_type(one) or 'string'}" for name, one in value.items())
            return f"struct<{','.join(fields)}>" if value else "string"
    return "string"


def _union(kinds: Iterable[str]) -> str:
    result = ""
    for kind in kinds:
        result = wider(result, kind)
    return result


def _xml(text: str, row_tag: str | None = None, classification: str = "xml") -> FileSchema | None:
    if not text.lstrip().startswith("<"):
        return None
    from defusedxml import ElementTree

    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None
    rows = list(root.iter(row_tag)) if row_tag else []
    if not row_tag:
        tags = [child.tag for child in root]
        if not tags or len(set(tags)) != 1:
            return None
        row_tag, rows = tags[0], list(root)
    if not rows:
        return None
    kinds: dict[str, str] = {}
    for row in rows:
        for child in row:
            kinds[_lower(child.tag)] = wider(kinds.get(_lower(child.tag), ""), _text_type(child.text or ""))
        for name, value in row.attrib.items():
            kinds[f"_{_lower(name)}"] = wider(kinds.get(f"_{_lower(name)}", ""), _text_type(value))
    columns = tuple((name, kind or "string") for name, kind in kinds.items())
    serde = {"rowTag": str(row_tag)}
    return FileSchema(classification, columns, "xml", serde, serde, len(rows))


def _text_type(text: str) -> str:
    if not text.strip():
        return ""
    if _INTEGER.fullmatch(text.strip()):
        return "bigint"
    return "double" if _DOUBLE.fullmatch(text.strip()) else "string"


def _csv(text: str) -> FileSchema | None:
    for delimiter in _DELIMITERS:
        rows = _rows(text, delimiter, '"')
        if len(rows) > 1 and len(rows[0]) > 1 and all(len(row) == len(rows[0]) for row in rows):
            return _csv_schema(rows, delimiter, '"', has_header=_has_header(rows), is_quoted='"' in text)
    return None


def _rows(text: str, delimiter: str, quote: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, quotechar=quote or '"')
    try:
        return [row for row in reader if row]
    except csv.Error:
        return []


def _has_header(rows: list[list[str]]) -> bool:
    """The conditions of the built-in classifier: texts that could be names, and unlike the rows below."""
    names = [name.strip() for name in rows[0]]
    could_be = all(
        _text_type(name) in ("", "string") and len(name) <= _MOST_HEADER_CHARACTERS for name in names
    ) and all(names[:-1])
    has_others = any(_text_type(value) not in ("", "string") for row in rows[1:] for value in row)
    return could_be and has_others and len(set(names)) == len(names)


def _csv_schema(
    rows: list[list[str]],
    delimiter: str,
    quote: str,
    *,
    has_header: bool,
    is_quoted: bool,
    names: Sequence[str] | None = None,
) -> FileSchema:
    data = rows[1:] if has_header else rows
    names = names or (rows[0] if has_header else [f"col{place}" for place in range(len(rows[0]))])
    kinds = [
        _union(_text_type(row[place]) for row in data if place < len(row)) for place in range(len(names))
    ]
    columns: tuple[Column, ...] = tuple(
        (_lower(name) or f"col{place}", kind or "string")
        for place, (name, kind) in enumerate(zip(names, kinds, strict=True))
    )
    skipped = {"skip.header.line.count": "1"} if has_header else {}
    parameters = {
        "areColumnsQuoted": "true" if is_quoted else "false",
        "columnsOrdered": "true",
        "delimiter": delimiter,
        **skipped,
    }
    serde, library = {"field.delim": delimiter}, ""
    if is_quoted:
        # Quotes are the work of another SerDe, which knows no types.
        serde = {"separatorChar": delimiter, "quoteChar": quote}
        library = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
        columns = tuple((name, "string") for name, _ in columns)
    return FileSchema("csv", columns, "csv", serde, parameters, len(data), serde_library=library)


# Custom classifiers


def _custom_csv(text: str, given: Mapping[str, Any]) -> FileSchema | None:
    delimiter, quote = given.get("Delimiter") or ",", given.get("QuoteSymbol") or '"'
    rows = _rows(text, delimiter, quote)
    header = given.get("Header") or None
    if not rows or (len(rows[0]) < 2 and not given.get("AllowSingleColumn")):
        return None
    if header and len(header) != len(rows[0]):
        return None
    has_header = {"PRESENT": True, "ABSENT": False}.get(given.get("ContainsHeader") or "")
    if has_header is None:
        has_header = [one.strip() for one in rows[0]] == list(header) if header else _has_header(rows)
    is_quoted = quote in text or given.get("Serde") == "OpenCSVSerDe"
    return _csv_schema(rows, delimiter, quote, has_header=has_header, is_quoted=is_quoted, names=header)


def _custom_json(text: str, given: Mapping[str, Any]) -> FileSchema | None:
    if text.lstrip()[:1] not in ("{", "["):
        return None
    documents = _json_documents(text.strip())
    records = [one for document in documents for one in _at_path(document, given["JsonPath"])]
    found = _of_records(records)
    return replace(found, parameters={"jsonPath": given["JsonPath"]}) if found else None


def _at_path(document: Any, path: str) -> list[Any]:
    """What a JSON path leads to: the operators that Glue has, ``$``, ``*``, ``.``, ``[name]`` and ``[n]``."""
    found = [document]
    for dotted, bracketed in re.findall(r"\.([\w*-]+)|\[('?[\w*-]+'?)\]", path):
        step = (dotted or bracketed).strip("'")
        following: list[Any] = []
        for one in found:
            if step == "*":
                following += one if isinstance(one, list) else one.values() if isinstance(one, dict) else []
            elif isinstance(one, list) and step.isdecimal() and int(step) < len(one):
                following.append(one[int(step)])
            elif isinstance(one, dict) and step in one:
                following.append(one[step])
        found = following
    return found


def _custom_xml(text: str, given: Mapping[str, Any]) -> FileSchema | None:
    return _xml(text, given["RowTag"], given.get("Classification") or "xml")


def _custom_grok(text: str, given: Mapping[str, Any]) -> FileSchema | None:
    pattern, columns = grok_pattern(given["GrokPattern"], given.get("CustomPatterns") or "")
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        fits = bool(lines) and all(pattern.fullmatch(line) for line in lines[:100])
    except RegexError as error:
        raise InvalidInputException(f"The grok pattern is not valid: {error}") from error
    if not fits:
        return None
    serde = {"input.format": given["GrokPattern"]}
    if given.get("CustomPatterns"):
        serde["input.grokCustomPatterns"] = given["CustomPatterns"]
    parameters = {"grokPattern": given["GrokPattern"]}
    return FileSchema(given["Classification"], columns, "grok", serde, parameters, len(lines))


_CUSTOM: Mapping[str, Callable[[str, Mapping[str, Any]], FileSchema | None]] = {
    "CsvClassifier": _custom_csv,
    "JsonClassifier": _custom_json,
    "XMLClassifier": _custom_xml,
    "GrokClassifier": _custom_grok,
}
