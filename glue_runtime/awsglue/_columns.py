"""Column expressions over Glue types: casts, choices, and changes deep inside a record."""

from __future__ import annotations

from typing import Callable, List, Optional, Sequence, Tuple

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812

from awsglue import _paths, _schema
from awsglue import gluetypes as glue

_WHOLE = r"^\s*[+-]?[0-9]+\s*$"
_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$|^\s*[+-]?(NaN|Infinity)\s*$"
_INTEGRAL = (glue.ByteType, glue.ShortType, glue.IntegerType, glue.LongType)
_FRACTIONAL = (glue.FloatType, glue.DoubleType, glue.DecimalType)
_NESTED = (glue.StructType, glue.ArrayType, glue.MapType)

Typed = Tuple[Column, glue.DataType]
# What becomes of a field: the fields that take its place in its struct.
Change = Callable[[str, Column, glue.DataType], Sequence[Tuple[str, Column, glue.DataType]]]


def nothing(kind: glue.DataType) -> Column:
    """Null, of a type."""
    return F.lit(None).cast(_schema.to_spark(kind))


def cast(column: Column, kind: glue.DataType, target: glue.DataType) -> Column:
    """A column as another type; a value that does not convert becomes null.

    Parameters
    ----------
    column : Column
    kind : DataType
        What it is.
    target : DataType
        What it shall be; a choice only if it is the same.
    """
    if kind == target:
        return column
    if isinstance(kind, (glue.NullType, glue.UnknownType)):
        return nothing(target)
    if isinstance(kind, glue.ChoiceType):
        # The member of that very type first: its values need no conversion.
        order = sorted(kind.choices, key=lambda name: name != target.typeName())
        return F.coalesce(*(cast(column.getField(name), kind.choices[name], target) for name in order))
    if isinstance(target, glue.ChoiceType):
        return conform(column, kind, target)
    if isinstance(kind, glue.StructType) and isinstance(target, glue.StructType):
        fields = [
            cast(column.getField(field.name), kind.getField(field.name).dataType, field.dataType).alias(
                field.name
            )
            if kind.hasField(field.name)
            else nothing(field.dataType).alias(field.name)
            for field in target
        ]
        return F.when(column.isNotNull(), F.struct(*fields))
    if isinstance(kind, glue.ArrayType) and isinstance(target, glue.ArrayType):
        return F.transform(column, lambda element: cast(element, kind.elementType, target.elementType))
    if isinstance(kind, glue.MapType) and isinstance(target, glue.MapType):
        return F.transform_values(column, lambda _, value: cast(value, kind.valueType, target.valueType))
    if isinstance(kind, _NESTED) or isinstance(target, _NESTED):
        return F.to_json(column) if isinstance(target, glue.StringType) else nothing(target)
    return _cast_simple(column, kind, target)


def _cast_simple(column: Column, kind: glue.DataType, target: glue.DataType) -> Column:
    if isinstance(kind, glue.StringType):
        # Spark's own casts of texts differ between its versions and modes: 1.5 may be 1, 1d may be 1.0.
        if isinstance(target, _INTEGRAL):
            return F.when(column.rlike(_WHOLE), _try_cast(F.trim(column), target))
        if isinstance(target, _FRACTIONAL):
            return F.when(column.rlike(_NUMBER), _try_cast(F.trim(column), target))
    return _try_cast(column, target)


def _try_cast(column: Column, target: glue.DataType) -> Column:
    kind = _schema.to_spark(target)
    # Spark 4 raises where a value does not fit; before, a cast is null there.
    return column.try_cast(kind) if hasattr(Column, "try_cast") else column.cast(kind)


def is_odd(column: Column, kind: glue.DataType) -> Column:
    """Whether a text is there and not of a type: 1 or 0."""
    return F.when((F.trim(column) != "") & cast(column, glue.StringType(), kind).isNull(), 1).otherwise(0)


def from_text(column: Column, kind: glue.DataType) -> Column:
    """A text in a choice of ``string`` and another type: in its own member when it is of the type.

    An empty text is no value of another type: it is null.
    """
    if not isinstance(kind, glue.ChoiceType):
        return cast(column, glue.StringType(), kind)
    members = []
    for name, choice in kind.choices.items():
        other = next(inside for inside in kind.choices.values() if not isinstance(inside, glue.StringType))
        typed = cast(column, glue.StringType(), other)
        value = F.when(typed.isNull(), column) if isinstance(choice, glue.StringType) else typed
        members.append(value.alias(name))
    return F.when(F.trim(column) != "", F.struct(*members))


def project(column: Column, kind: glue.DataType, target: glue.DataType) -> Column:
    """Only the values of one type of a choice, as they are; null for all others."""
    if not isinstance(kind, glue.ChoiceType) or target.typeName() not in kind.choices:
        return nothing(target)
    return cast(column.getField(target.typeName()), kind.choices[target.typeName()], target)


def merge(left: glue.DataType, right: glue.DataType) -> glue.DataType:
    """The type of a field that is of one type in some records and of another in others.

    Parameters
    ----------
    left, right : DataType

    Returns
    -------
    DataType
        The one if the other says nothing, what holds both if they are of one name, else a choice.
    """
    if left == right or isinstance(right, (glue.NullType, glue.UnknownType)):
        return left
    if isinstance(left, (glue.NullType, glue.UnknownType)):
        return right
    if isinstance(left, glue.ChoiceType) or isinstance(right, glue.ChoiceType):
        members = {**_members(left)}
        for name, member in _members(right).items():
            members[name] = merge(members[name], member) if name in members else member
        return glue.ChoiceType(members.values())
    if isinstance(left, glue.StructType) and isinstance(right, glue.StructType):
        return merge_structs(left, right)
    if isinstance(left, glue.ArrayType) and isinstance(right, glue.ArrayType):
        return glue.ArrayType(merge(left.elementType, right.elementType))
    if isinstance(left, glue.MapType) and isinstance(right, glue.MapType):
        return glue.MapType(merge(left.valueType, right.valueType))
    if isinstance(left, glue.DecimalType) and isinstance(right, glue.DecimalType):
        scale = max(left.scale, right.scale)
        whole = max(left.precision - left.scale, right.precision - right.scale)
        return glue.DecimalType(min(38, whole + scale), scale)
    return glue.ChoiceType([left, right])


def _members(kind: glue.DataType) -> dict[str, glue.DataType]:
    return kind.choices if isinstance(kind, glue.ChoiceType) else {kind.typeName(): kind}


def merge_structs(left: glue.StructType, right: glue.StructType) -> glue.StructType:
    """Same as :func:`merge`: the fields of the left one, then those that only the right one has."""
    fields = [
        glue.Field(field.name, merge(field.dataType, right.getField(field.name).dataType))
        if right.hasField(field.name)
        else field
        for field in left
    ]
    return glue.StructType([*fields, *(field for field in right if not left.hasField(field.name))])


def conform(column: Column, kind: glue.DataType, target: glue.DataType) -> Column:
    """A column as the type that its own was merged into; no value is changed.

    Parameters
    ----------
    column : Column
    kind, target : DataType
        What it is, and what :func:`merge` made of it.
    """
    if kind == target:
        return column
    if isinstance(kind, (glue.NullType, glue.UnknownType)):
        return nothing(target)
    if isinstance(target, glue.ChoiceType):
        own = _members(kind)
        values = [
            conform(column.getField(name) if isinstance(kind, glue.ChoiceType) else column, own[name], choice)
            if name in own
            else nothing(choice)
            for name, choice in target.choices.items()
        ]
        members = (value.alias(name) for value, name in zip(values, target.choices, strict=True))
        return F.when(column.isNotNull(), F.struct(*members))
    if isinstance(kind, glue.StructType) and isinstance(target, glue.StructType):
        fields = [
            conform(column.getField(field.name), kind.getField(field.name).dataType, field.dataType).alias(
                field.name
            )
            if kind.hasField(field.name)
            else nothing(field.dataType).alias(field.name)
            for field in target
        ]
        return F.when(column.isNotNull(), F.struct(*fields))
    if isinstance(kind, glue.ArrayType) and isinstance(target, glue.ArrayType):
        return F.transform(column, lambda element: conform(element, kind.elementType, target.elementType))
    if isinstance(kind, glue.MapType) and isinstance(target, glue.MapType):
        return F.transform_values(column, lambda _, value: conform(value, kind.valueType, target.valueType))
    return cast(column, kind, target)


def find(column: Column, kind: glue.DataType, path: _paths.Path) -> Optional[Typed]:
    """The part of a value at a path, or ``None`` where its type has no such part.

    Parameters
    ----------
    column : Column
    kind : DataType
    path : tuple of str
        May be empty.
    """
    if not path:
        return column, kind
    step, rest = path[0], path[1:]
    if isinstance(kind, glue.ChoiceType) and step != _paths.ELEMENTS and "struct" in kind.choices:
        return find(column.getField("struct"), kind.choices["struct"], path)
    if isinstance(kind, glue.StructType) and kind.hasField(step):
        return find(column.getField(step), kind.getField(step).dataType, rest)
    if isinstance(kind, glue.MapType) and step != _paths.ELEMENTS:
        return find(column.getItem(step), kind.valueType, rest)
    if isinstance(kind, glue.ArrayType) and step == _paths.ELEMENTS:
        inside = find_type(kind.elementType, rest)
        if inside is None:
            return None
        return F.transform(
            column, lambda element: _find_existing(element, kind.elementType, rest)
        ), glue.ArrayType(inside)
    return None


def _find_existing(column: Column, kind: glue.DataType, path: _paths.Path) -> Column:
    typed = find(column, kind, path)
    assert typed is not None
    return typed[0]


def find_type(kind: glue.DataType, path: _paths.Path) -> Optional[glue.DataType]:
    """The type of the part that :func:`find` finds."""
    typed = find(F.lit(None), kind, path)
    return None if typed is None else typed[1]


def change(column: Column, kind: glue.DataType, path: _paths.Path, what: Change) -> Typed:
    """A value in which the fields at a path are others.

    Parameters
    ----------
    column : Column
    kind : DataType
    path : tuple of str
        Below the value; a path that its type does not have changes nothing.
    what : callable
        Given name, column and type of the field, gives those that take its place.

    Raises
    ------
    ValueError
        If the elements of an array would become several fields.
    """
    if isinstance(kind, glue.ChoiceType) and path[0] != _paths.ELEMENTS and "struct" in kind.choices:
        inside, changed = change(column.getField("struct"), kind.choices["struct"], path, what)
        parts = [
            ("struct", inside, changed) if name == "struct" else (name, column.getField(name), choice)
            for name, choice in kind.choices.items()
        ]
        members = F.struct(*(member.alias(name) for name, member, _ in parts))
        return F.when(column.isNotNull(), members), glue.ChoiceType([choice for _, _, choice in parts])
    if isinstance(kind, glue.ArrayType) and path[0] == _paths.ELEMENTS:
        return _change_elements(column, kind, path[1:], what)
    if not isinstance(kind, glue.StructType) or not kind.hasField(path[0]):
        return column, kind
    parts = []
    for field in kind:
        here = column.getField(field.name)
        if field.name != path[0]:
            parts.append((field.name, here, field.dataType))
        else:
            parts.extend(change_field(field.name, here, field.dataType, path[1:], what))
    return structure(parts, column), glue.StructType(
        [glue.Field(name, field_type) for name, _, field_type in parts]
    )


def change_field(
    name: str, column: Column, kind: glue.DataType, path: _paths.Path, what: Change
) -> List[Tuple[str, Column, glue.DataType]]:
    """A field in which those at a path below it are others; see :func:`change`."""
    if not path:
        return list(what(name, column, kind))
    changed, changed_kind = change(column, kind, path, what)
    return [(name, changed, changed_kind)]


def structure(parts: Sequence[Tuple[str, Column, glue.DataType]], whole: Column) -> Column:
    """A struct of fields, null where another one is."""
    if not parts:
        return nothing(glue.NullType())
    return F.when(whole.isNotNull(), F.struct(*(column.alias(name) for name, column, _ in parts)))


def _change_elements(column: Column, kind: glue.ArrayType, path: _paths.Path, what: Change) -> Typed:
    def changed(element: Column) -> Typed:
        parts = change_field("element", element, kind.elementType, path, what)
        if len(parts) != 1:
            raise ValueError("the elements of an array cannot become several fields")
        return parts[0][1], parts[0][2]

    inside = changed(F.lit(None).cast(_schema.to_spark(kind.elementType)))[1]
    return F.transform(column, lambda element: changed(element)[0]), glue.ArrayType(inside)
