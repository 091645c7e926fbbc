"""Choices resolved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Optional, Sequence, Tuple

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812

from awsglue import _columns, _paths, _schema
from awsglue import gluetypes as glue
from awsglue._content import Content, Part, settle
from awsglue._ops import fields

_PLAIN = ("make_cols", "make_struct", "match_catalog", "keepasstruct")


def resolve(content: Content, specs: Sequence[Tuple[str, str]]) -> Content:
    """Resolve the fields that are named.

    Parameters
    ----------
    content : Content
    specs : sequence of (path, action)

    Raises
    ------
    ValueError
        If an action is none of the documentation's.
    """
    for path, action in specs:
        verb, target = _action(action)
        parsed = _paths.parse(path)
        if verb == "cast" and len(parsed) == 1 and parsed[0] in content.pending:
            content = _cast_pending(content, parsed[0], target)
            continue
        content = settle(content)
        content = fields.change(
            content, parsed, lambda name, column, kind, v=verb, t=target: _apply(name, column, kind, v, t)
        )
    return content


def resolve_all(content: Content, choice: str) -> Content:
    """Resolve every choice, wherever it is, by the same action."""
    verb, target = _action(choice)
    parts = [part for part_ in settle(content).parts() for part in _everywhere(*part_, verb, target)]
    return content.select(parts)


def match_catalog(content: Content, catalog: glue.StructType) -> Content:
    """Cast each choice to the type that the table of the Data Catalog gives to the field."""
    content = settle(content)
    parts: List[Part] = []
    for name, column, kind in content.parts():
        wanted = _type_of(catalog, name)
        parts.append((name, *_match(column, kind, wanted)))
    return content.select(parts)


def _type_of(kind: Optional[glue.DataType], name: str) -> Optional[glue.DataType]:
    if not isinstance(kind, glue.StructType):
        return None
    return next((field.dataType for field in kind if field.name.lower() == name.lower()), None)


def _match(column: Column, kind: glue.DataType, wanted: Optional[glue.DataType]) -> _columns.Typed:
    if wanted is None:
        return column, kind
    if isinstance(kind, glue.ChoiceType):
        return _columns.cast(column, kind, wanted), wanted
    if isinstance(kind, glue.StructType):
        parts = [
            (field.name, *_match(column.getField(field.name), field.dataType, _type_of(wanted, field.name)))
            for field in kind
        ]
        changed = glue.StructType([glue.Field(name, inside) for name, _, inside in parts])
        return (column, kind) if changed == kind else (_columns.structure(parts, column), changed)
    if isinstance(kind, glue.ArrayType) and isinstance(wanted, glue.ArrayType):
        inside = _match(F.lit(None), kind.elementType, wanted.elementType)[1]
        if inside == kind.elementType:
            return column, kind
        element = wanted.elementType
        return (
            F.transform(column, lambda element_column: _match(element_column, kind.elementType, element)[0]),
            glue.ArrayType(inside),
        )
    return column, kind


def _action(text: str) -> Tuple[str, Optional[glue.DataType]]:
    verb, colon, target = text.partition(":")
    verb = verb.strip().lower()
    if colon and verb in ("cast", "project"):
        kind = _schema.parse(target)
        if kind is None and verb == "project" and target.strip().lower() in ("struct", "array", "map"):
            # Stands for the member of that name, whatever is in it.
            return verb, {"struct": glue.StructType(), "array": glue.ArrayType(), "map": glue.MapType()}[
                target.strip().lower()
            ]
        if kind is None:
            raise ValueError(f"{text!r} names no type to resolve to")
        return verb, kind
    if not colon and verb in _PLAIN:
        return verb, None
    raise ValueError(
        f"{text!r} is no action for a choice: use cast:type, project:type, make_cols, make_struct "
        "or match_catalog"
    )


def _cast_pending(content: Content, name: str, target: Optional[glue.DataType]) -> Content:
    assert target is not None
    column = F.col(_paths.quote(name))
    text = glue.StringType()
    typed = F.when(F.trim(column) != "", column) if not isinstance(target, glue.StringType) else column
    columns = [
        _columns.cast(typed, text, target).alias(name)
        if field.name == name
        else F.col(_paths.quote(field.name))
        for field in content.schema
    ]
    schema = glue.StructType(
        [glue.Field(name, target) if field.name == name else field for field in content.schema]
    )
    pending = {other: kind for other, kind in content.pending.items() if other != name}
    return replace(content, df=content.df.select(*columns), schema=schema, pending=pending)


def _apply(
    name: str, column: Column, kind: glue.DataType, verb: str, target: Optional[glue.DataType]
) -> List[Part]:
    if verb == "cast":
        assert target is not None
        return [(name, _columns.cast(column, kind, target), target)]
    if not isinstance(kind, glue.ChoiceType):
        return [(name, column, kind)]
    if verb == "make_cols":
        return [
            (f"{name}_{choice}", column.getField(choice), inside) for choice, inside in kind.choices.items()
        ]
    if verb in ("make_struct", "keepasstruct"):
        return [
            (name, column, glue.StructType([glue.Field(choice, t) for choice, t in kind.choices.items()]))
        ]
    if verb == "project":
        assert target is not None
        if isinstance(target, (glue.StructType, glue.ArrayType, glue.MapType)):
            target = kind.choices.get(target.typeName(), target)
        return [(name, _columns.project(column, kind, target), target)]
    raise ValueError("match_catalog resolves all choices at once: pass it as choice, not in specs")


def _everywhere(
    name: str, column: Column, kind: glue.DataType, verb: str, target: Optional[glue.DataType]
) -> List[Part]:
    if isinstance(kind, glue.ChoiceType):
        return _apply(name, column, kind, verb, target)
    changed = _inside(column, kind, verb, target)
    return [(name, *changed)]


def _inside(
    column: Column, kind: glue.DataType, verb: str, target: Optional[glue.DataType]
) -> _columns.Typed:
    if not holds_choice(kind):
        return column, kind
    if isinstance(kind, glue.StructType):
        parts = [
            part
            for field in kind
            for part in _everywhere(field.name, column.getField(field.name), field.dataType, verb, target)
        ]
        fields_ = glue.StructType([glue.Field(part, field_type) for part, _, field_type in parts])
        return _columns.structure(parts, column), fields_
    if isinstance(kind, glue.ArrayType):

        def element(item: Column) -> Part:
            parts = _everywhere("element", item, kind.elementType, verb, target)
            if len(parts) != 1:
                raise ValueError("the elements of an array cannot become several fields: use make_struct")
            return parts[0]

        inside = element(F.lit(None))[2]
        return F.transform(column, lambda item: element(item)[1]), glue.ArrayType(inside)
    return column, kind


def holds_choice(kind: glue.DataType) -> bool:
    """Whether a choice is anywhere in a type."""
    if isinstance(kind, glue.StructType):
        return any(holds_choice(field.dataType) for field in kind)
    if isinstance(kind, glue.ArrayType):
        return holds_choice(kind.elementType)
    if isinstance(kind, glue.MapType):
        return holds_choice(kind.valueType)
    return isinstance(kind, glue.ChoiceType)


def to_data_frame(content: Content, options: Sequence[Any]) -> Any:
    """The records as a data frame.

    Parameters
    ----------
    content : Content
    options : sequence of ResolveOption
        How choices are resolved; what they do not name stays a struct.
    """
    content = settle(content)
    for option in options:
        action = option.action.lower()
        if action == "keepasstruct":
            continue
        target = option.target
        if target is None or action not in ("project", "cast"):
            raise ValueError(
                f"{option.action!r} is no action of toDF: KeepAsStruct, Project or Cast, with a type"
            )
        content = fields.change(
            content,
            _paths.parse(option.path),
            lambda name, column, kind, v=action, t=target: _apply(name, column, kind, v, t),
        )
    return content.df
