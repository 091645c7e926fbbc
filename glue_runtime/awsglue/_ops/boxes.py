"""Texts that hold records, and DynamoDB's way to write values."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Optional, Tuple

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812

from awsglue import _columns, _infer, _paths, _schema
from awsglue import gluetypes as glue
from awsglue._content import Content, settle
from awsglue._ops import choices, fields
from awsglue._refuse import refuse

_TAGS = {"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"}


def unbox(content: Content, path: str, form: str, options: Mapping[str, Any]) -> Content:
    """See :meth:`awsglue.dynamicframe.DynamicFrame.unbox`."""
    content = settle(content)
    parsed = _paths.parse(path)
    typed = fields.find(content, parsed)
    if typed is None or not isinstance(typed[1], glue.StringType):
        raise ValueError(f"{path} is no field of texts to unbox")
    if form == "json":
        kind = _given_schema(options)
        if kind is None:
            kind, broken = _json_kind(content, typed[0])
            if broken:
                content = _without_broken(content, typed[0])
        if isinstance(kind, glue.NullType):
            return content
        return fields.change(
            content, parsed, lambda name, column, _: [(name, _from_json(column, kind), kind)]
        )
    if form != "csv":
        refuse("DynamicFrame.unbox", f"format {form}")
    return _unbox_csv(content, parsed, typed[0], options)


def _given_schema(options: Mapping[str, Any]) -> Any:
    schema = options.get("withSchema")
    return glue.from_json_value(json.loads(schema)) if schema else None


def _json_kind(content: Content, column: Column) -> Tuple[glue.DataType, int]:
    """The type of the texts, and how many of them are no JSON."""

    def observed(rows: Any) -> Any:
        seen: _infer.Seen = {}
        broken = 0
        for (text,) in rows:
            if _is_broken(text):
                broken += 1
            elif text is not None and text.strip():
                _infer.observe(json.loads(text), seen)
        yield seen, broken

    def both(left: Any, right: Any) -> Any:
        return _infer.merge(left[0], right[0]), left[1] + right[1]

    texts = content.df.select(column.alias("text")).rdd.map(tuple)
    seen, broken = texts.mapPartitions(observed).fold(({}, 0), both)
    return _infer.to_type(seen), broken


def _is_broken(text: Optional[str]) -> bool:
    if text is None or not text.strip():
        return False
    try:
        json.loads(text)
    except ValueError:
        return True
    return False


def _without_broken(content: Content, column: Column) -> Content:
    """The records whose text is JSON; the others are error records."""
    broken = F.udf(_is_broken, "boolean")(column)
    records = F.to_json(F.struct(*(F.col(_paths.quote(name)) for name in content.df.columns)))
    errors = content.df.filter(broken).select(
        F.lit("unbox: the text is no JSON").alias("msg"), records.alias("record")
    )
    return content.having(content.df.filter(~broken)).failing(errors)


def _from_json(column: Column, kind: glue.DataType) -> Column:
    if isinstance(kind, (glue.StructType, glue.ArrayType)) and not choices.holds_choice(kind):
        return F.from_json(column, _schema.to_spark(kind))  # type: ignore[arg-type]

    def read(text):  # type: ignore[no-untyped-def]
        return None if text is None or not text.strip() else _infer.physical(json.loads(text), kind)

    return F.udf(read, _schema.to_spark(kind))(column)


def _unbox_csv(content: Content, path: _paths.Path, column: Column, options: Mapping[str, Any]) -> Content:
    import csv

    if options.get("withHeader") or options.get("skipFirst"):
        refuse("DynamicFrame.unbox", "withHeader and skipFirst")
    separator, escaper = options.get("separator", ","), options.get("escaper")

    def split(text):  # type: ignore[no-untyped-def]
        if text is None:
            return None
        return next(csv.reader([text], delimiter=separator, escapechar=escaper), [])

    pieces = F.udf(split, "array<string>")
    widest = content.df.agg(F.max(F.size(pieces(column)))).first()
    width = int(widest[0] or 0) if widest else 0
    kind = _given_schema(options)
    names = [field.name for field in kind] if kind else [f"col{number}" for number in range(width)]
    kinds = [field.dataType for field in kind] if kind else [glue.StringType() for _ in names]
    whole = glue.StructType(
        [glue.Field(name, field_type) for name, field_type in zip(names, kinds, strict=True)]
    )

    def build(name: str, text: Column, _: glue.DataType) -> List[Any]:
        parts = pieces(text)
        values = [
            _columns.cast(_piece(parts, number), glue.StringType(), field_type).alias(field)
            for number, (field, field_type) in enumerate(zip(names, kinds, strict=True))
        ]
        return [(name, F.when(text.isNotNull(), F.struct(*values)), whole)]

    return fields.change(content, path, build)


def _piece(pieces: Column, number: int) -> Column:
    # Where Spark is strict, an index beyond the end is an error.
    return F.when(F.size(pieces) > number, pieces.getItem(number))


def simplify_ddb_json(content: Content) -> Content:
    """See :meth:`awsglue.dynamicframe.DynamicFrame.simplify_ddb_json`."""
    content = settle(content)
    parts: List[Any] = []
    for name, column, kind in content.parts():
        parts.append((name, *_plain(column, kind)))
    return content.select(parts)


def _plain(column: Column, kind: glue.DataType) -> _columns.Typed:
    if isinstance(kind, glue.StructType) and kind.fields and set(kind.field_map) <= _TAGS:
        values = [_plain(*_tagged(column, choice)) for choice in kind if choice.name != "NULL"]
        if not values:
            return _columns.nothing(glue.NullType()), glue.NullType()
        if len(values) == 1:
            return values[0]
        merged = values[0][1]
        for _, choice in values[1:]:
            merged = _columns.merge(merged, choice)
        return F.coalesce(*(_columns.conform(value, choice, merged) for value, choice in values)), merged
    if isinstance(kind, glue.StructType):
        parts = [(field.name, *_plain(column.getField(field.name), field.dataType)) for field in kind]
        changed = glue.StructType([glue.Field(name, inside) for name, _, inside in parts])
        return _columns.structure(parts, column), changed
    if isinstance(kind, glue.ArrayType):
        inside = _plain(F.lit(None), kind.elementType)[1]
        return F.transform(column, lambda element: _plain(element, kind.elementType)[0]), glue.ArrayType(
            inside
        )
    return column, kind


def _tagged(column: Column, tag: glue.Field) -> _columns.Typed:
    return column.getField(tag.name), tag.dataType


def unnest_ddb_json(content: Content) -> Content:
    """See :meth:`awsglue.dynamicframe.DynamicFrame.unnest_ddb_json`."""
    simple = simplify_ddb_json(content)
    parts: List[Any] = []
    for name, column, kind in simple.parts():
        if name == "Item" and isinstance(kind, glue.StructType):
            parts.extend((field.name, column.getField(field.name), field.dataType) for field in kind)
        else:
            parts.append((name, column, kind))
    return simple.select(parts)


def plain_item(item: Mapping[str, Any]) -> Dict[str, Any]:
    """An item of DynamoDB, as its API gives it, as a record."""
    return {name: _plain_value(value) for name, value in item.items()}


def _plain_value(tagged: Mapping[str, Any]) -> Any:
    ((tag, value),) = tagged.items()
    if tag == "NULL":
        return None
    if tag == "N":
        return _number(value)
    if tag == "NS":
        return [_number(item) for item in value]
    if tag == "M":
        return plain_item(value)
    if tag == "L":
        return [_plain_value(item) for item in value]
    return list(value) if isinstance(value, (set, frozenset)) else value


def _number(text: str) -> Any:
    import decimal

    number = decimal.Decimal(text)
    if number == number.to_integral_value() and "." not in text and "E" not in text.upper():
        return int(number)
    return float(number)
