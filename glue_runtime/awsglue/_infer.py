"""The type of each value, and of all values of a field together.

Glue's records describe themselves: the type of a field is that of its values, and a field whose values
differ in type is a choice. Here are the rules, over plain Python values, without Spark:

- a whole number is an ``int`` when it fits into 32 bits, a ``long`` when it fits into 64, else a decimal;
- types of different names do not merge, not even numbers: they become a choice;
- structs merge field by field, arrays and maps by what is in them, decimals to what holds both;
- a value that is missing or null adds nothing, and a field that never has a value is ``null``.
"""

from __future__ import annotations

import datetime
import decimal
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

from awsglue import gluetypes as glue

_INT = 2**31
_LONG = 2**63
_DIGITS = 38

# The types seen of a field, by name: a type without parts maps to what it must hold.
Seen = Dict[str, Any]


def observe(value: Any, seen: Seen) -> None:
    """Add the type of a value to those seen.

    Parameters
    ----------
    value : object
        Of a record: what ``json.loads`` gives, dates, decimals and bytes.
    seen : dict
        Changed in place.

    Raises
    ------
    TypeError
        If no type of Glue holds the value.
    """
    if value is None:
        return
    if isinstance(value, dict):
        fields = seen.setdefault("struct", {})
        for name, inside in value.items():
            observe(inside, fields.setdefault(str(name), {}))
    elif isinstance(value, (list, tuple, set)):
        elements = seen.setdefault("array", {})
        for inside in value:
            observe(inside, elements)
    elif isinstance(value, decimal.Decimal):
        _, digits, exponent = value.as_tuple()
        scale = max(0, -int(exponent))
        _widen(seen, max(len(digits) + max(0, int(exponent)) - scale, 0), scale)
    else:
        name = name_of(value)
        if name == "decimal":
            _widen(seen, len(str(abs(value))), 0)
        else:
            seen[name] = True


def name_of(value: Any) -> str:
    """The name of the type of a value that is not null.

    Parameters
    ----------
    value : object

    Raises
    ------
    TypeError
        If no type of Glue holds it.
    """
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        if -_INT <= value < _INT:
            return "int"
        return "long" if -_LONG <= value < _LONG else "decimal"
    for kind, name in _BY_CLASS:
        if isinstance(value, kind):
            return name
    raise TypeError(f"a value of {type(value).__name__} is in no type of Glue")


_BY_CLASS: tuple[tuple[Any, str], ...] = (
    (float, "double"),
    (str, "string"),
    (datetime.datetime, "timestamp"),
    (datetime.date, "date"),
    (decimal.Decimal, "decimal"),
    ((bytes, bytearray), "binary"),
    (dict, "struct"),
    ((list, tuple, set), "array"),
)


def _widen(seen: Seen, whole: int, scale: int) -> None:
    before = seen.get("decimal", (0, 0))
    seen["decimal"] = (max(before[0], whole), max(before[1], scale))


def merge(left: Seen, right: Seen) -> Seen:
    """Add what was seen of other records of the same field; the left one is changed and returned."""
    for name, inside in right.items():
        if name == "struct":
            fields = left.setdefault("struct", {})
            for field, types in inside.items():
                merge(fields.setdefault(field, {}), types)
        elif name == "array":
            merge(left.setdefault("array", {}), inside)
        elif name == "decimal":
            _widen(left, *inside)
        else:
            left[name] = inside
    return left


def to_type(seen: Seen) -> glue.DataType:
    """The type of a field of which these types were seen."""
    if not seen:
        return glue.NullType()
    kinds = [_member_type(name, inside) for name, inside in seen.items()]
    return kinds[0] if len(kinds) == 1 else glue.ChoiceType(kinds)


def _member_type(name: str, inside: Any) -> glue.DataType:
    if name == "struct":
        return glue.StructType([glue.Field(field, to_type(types)) for field, types in inside.items()])
    if name == "array":
        return glue.ArrayType(to_type(inside))
    if name == "decimal":
        whole, scale = inside
        precision = min(_DIGITS, max(1, whole + scale))
        return glue.DecimalType(precision, min(scale, max(0, _DIGITS - whole)))
    return glue.from_json_value({"dataType": name})


def schema_of(records: Iterable[Dict[str, Any]]) -> glue.StructType:
    """The schema of records.

    Parameters
    ----------
    records : iterable of dict
    """
    seen: Seen = {"struct": {}}
    for record in records:
        observe(record, seen)
    return as_struct(seen)


def as_struct(seen: Seen) -> glue.StructType:
    """The schema of the records that were observed."""
    fields = seen.get("struct", {})
    return glue.StructType([glue.Field(name, to_type(types)) for name, types in fields.items()])


Value = Union[
    None,
    bool,
    int,
    float,
    str,
    bytes,
    datetime.date,
    decimal.Decimal,
    List[Any],
    Dict[Any, Any],
    Tuple[Any, ...],
]


def physical(value: Any, kind: glue.DataType) -> Any:
    """The value as it lies in a Spark column of that type: structs and choices as tuples.

    Parameters
    ----------
    value : object
        One that was observed.
    kind : DataType
        What became of the field's observations, or any type that holds the value.
    """
    if value is None:
        return None
    if isinstance(kind, glue.ChoiceType):
        name = member_for(value, kind)
        if name is None:
            raise TypeError(f"a value of type {name_of(value)} is in none of {list(kind.choices)}")
        return tuple(
            physical(value, member_type) if member == name else None
            for member, member_type in kind.choices.items()
        )
    if isinstance(kind, glue.StructType):
        return tuple(physical(value.get(field.name), field.dataType) for field in kind)
    if isinstance(kind, glue.ArrayType):
        return [physical(item, kind.elementType) for item in value]
    if isinstance(kind, glue.MapType):
        return {str(name): physical(member, kind.valueType) for name, member in value.items()}
    if isinstance(kind, glue.DecimalType):
        return decimal.Decimal(value)
    if isinstance(kind, (glue.DoubleType, glue.FloatType)):
        return float(value)
    if isinstance(kind, glue.BinaryType):
        return bytearray(value)
    return value


_WIDER = {
    "boolean": (),
    "int": ("byte", "short", "long", "double", "float", "decimal"),
    "long": ("double", "decimal"),
    "struct": ("map",),
}


def member_for(value: Any, kind: glue.ChoiceType) -> Optional[str]:
    """The member of a choice in which a value lies: that of its own type, else the next that holds it."""
    name = name_of(value)
    for candidate in (name, *_WIDER.get(name, ())):
        if candidate in kind.choices:
            return candidate
    return None


def logical(value: Any, kind: glue.DataType) -> Any:
    """The value as a record shows it; what :func:`physical` does, undone.

    Parameters
    ----------
    value : object
        From a Spark row: structs and choices as rows or tuples.
    kind : DataType
    """
    if value is None:
        return None
    if isinstance(kind, glue.ChoiceType):
        members = zip(value, kind.choices.values(), strict=True)
        return next((logical(member, inside) for member, inside in members if member is not None), None)
    if isinstance(kind, glue.StructType):
        return {
            field.name: logical(inside, field.dataType) for field, inside in zip(kind, value, strict=True)
        }
    if isinstance(kind, glue.ArrayType):
        return [logical(item, kind.elementType) for item in value]
    if isinstance(kind, glue.MapType):
        return {name: logical(member, kind.valueType) for name, member in value.items()}
    return value
