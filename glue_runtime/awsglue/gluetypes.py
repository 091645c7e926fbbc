"""The types of a ``DynamicFrame``'s schema ("PySpark extension types" in the Glue Developer Guide)."""

from __future__ import annotations

from typing import Any, ClassVar, Iterable, Iterator, Mapping, Optional, Union


class DataType:
    """What every type is.

    Parameters
    ----------
    properties : mapping, optional
        Properties of the type; they are kept and say nothing about the data.
    """

    _name: ClassVar[str] = ""

    def __init__(self, properties: Optional[Mapping[str, Any]] = None) -> None:
        self.properties = dict(properties or {})

    @classmethod
    def typeName(cls) -> str:
        """Name of the type as schemas print it, for example ``long``."""
        return cls._name or cls.__name__[: -len("Type")].lower()

    def jsonValue(self) -> dict[str, Any]:
        """The type as a JSON object, which :func:`from_json_value` reads."""
        return {"dataType": self.typeName(), "properties": self.properties}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataType) and self.jsonValue() == other.jsonValue()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._inside()})"

    def _inside(self) -> str:
        return ""


class AtomicType(DataType):
    """A type without parts."""

    @classmethod
    def fromJsonValue(cls, json_value: Mapping[str, Any]) -> AtomicType:
        """Read what :meth:`jsonValue` wrote."""
        return cls(properties=json_value.get("properties"))


class BinaryType(AtomicType):
    """Bytes."""


class BooleanType(AtomicType):
    """True or false."""


class ByteType(AtomicType):
    """An integer of 8 bits."""


class DateType(AtomicType):
    """A day."""


class DecimalType(AtomicType):
    """A decimal number.

    Parameters
    ----------
    precision, scale : int
        Digits in all, and after the point.
    """

    def __init__(
        self, precision: int = 10, scale: int = 2, properties: Optional[Mapping[str, Any]] = None
    ) -> None:
        super().__init__(properties)
        self.precision = precision
        self.scale = scale

    @classmethod
    def fromJsonValue(cls, json_value: Mapping[str, Any]) -> DecimalType:
        """Read what :meth:`jsonValue` wrote."""
        return cls(json_value["precision"], json_value["scale"], json_value.get("properties"))

    def jsonValue(self) -> dict[str, Any]:
        """The type as a JSON object."""
        return {**super().jsonValue(), "precision": self.precision, "scale": self.scale}

    def _inside(self) -> str:
        return f"{self.precision}, {self.scale}"


class DoubleType(AtomicType):
    """A floating-point number of 64 bits."""


class EnumType(AtomicType):
    """One of several texts.

    Parameters
    ----------
    options : iterable of str
        The texts.
    """

    def __init__(self, options: Iterable[str] = (), properties: Optional[Mapping[str, Any]] = None) -> None:
        super().__init__(properties)
        self.options = list(options)

    @classmethod
    def fromJsonValue(cls, json_value: Mapping[str, Any]) -> EnumType:
        """Read what :meth:`jsonValue` wrote."""
        return cls(json_value.get("options", ()), json_value.get("properties"))

    def jsonValue(self) -> dict[str, Any]:
        """The type as a JSON object."""
        return {**super().jsonValue(), "options": self.options}

    def _inside(self) -> str:
        return repr(self.options)


class FloatType(AtomicType):
    """A floating-point number of 32 bits."""


class IntegerType(AtomicType):
    """An integer of 32 bits."""

    _name = "int"


class LongType(AtomicType):
    """An integer of 64 bits."""


class NullType(AtomicType):
    """No record has a value."""


class ShortType(AtomicType):
    """An integer of 16 bits."""


class StringType(AtomicType):
    """A text."""


class TimestampType(AtomicType):
    """A moment."""


class UnknownType(AtomicType):
    """The type of a field whose type is not known."""


class ArrayType(DataType):
    """Values of one type in order.

    Parameters
    ----------
    elementType : DataType
        Of each.
    """

    def __init__(
        self,
        elementType: Optional[DataType] = None,
        properties: Optional[Mapping[str, Any]] = None,
    ) -> None:
        super().__init__(properties)
        self.elementType = elementType or UnknownType()

    def jsonValue(self) -> dict[str, Any]:
        """The type as a JSON object."""
        return {**super().jsonValue(), "elementType": self.elementType.jsonValue()}

    def _inside(self) -> str:
        return repr(self.elementType)


class MapType(DataType):
    """Values of one type by text.

    Parameters
    ----------
    valueType : DataType
        Of each.
    """

    def __init__(
        self,
        valueType: Optional[DataType] = None,
        properties: Optional[Mapping[str, Any]] = None,
    ) -> None:
        super().__init__(properties)
        self.valueType = valueType or UnknownType()

    def jsonValue(self) -> dict[str, Any]:
        """The type as a JSON object."""
        return {**super().jsonValue(), "valueType": self.valueType.jsonValue()}

    def _inside(self) -> str:
        return repr(self.valueType)


class ChoiceType(DataType):
    """One of several types, in each record another.

    Parameters
    ----------
    choices : iterable of DataType
        The types; of each name one, kept in the order of their names.
    """

    def __init__(
        self, choices: Iterable[DataType] = (), properties: Optional[Mapping[str, Any]] = None
    ) -> None:
        super().__init__(properties)
        self.choices: dict[str, DataType] = {}
        self.merge(choices)

    def add(self, new_choice: DataType) -> None:
        """Add a type.

        Raises
        ------
        ValueError
            If one of that name is there.
        """
        if new_choice.typeName() in self.choices:
            raise ValueError(f"Attempted to insert duplicate choice {new_choice.typeName()}")
        self.merge([new_choice])

    def merge(self, new_choices: Union[DataType, Iterable[DataType]]) -> None:
        """Add types, of which some may be there."""
        added = [new_choices] if isinstance(new_choices, DataType) else list(new_choices)
        together = {**self.choices, **{choice.typeName(): choice for choice in added}}
        self.choices = dict(sorted(together.items()))

    def jsonValue(self) -> dict[str, Any]:
        """The type as a JSON object."""
        return {**super().jsonValue(), "choices": [choice.jsonValue() for choice in self.choices.values()]}

    def _inside(self) -> str:
        return repr(list(self.choices.values()))


class Field:
    """A named part of a :class:`StructType`.

    Parameters
    ----------
    name : str
    dataType : DataType
    properties : mapping, optional
    """

    def __init__(
        self,
        name: str,
        dataType: DataType,
        properties: Optional[Mapping[str, Any]] = None,
    ) -> None:
        self.name = name
        self.dataType = dataType
        self.properties = dict(properties or {})

    def jsonValue(self) -> dict[str, Any]:
        """The field as a JSON object."""
        return {"name": self.name, "container": self.dataType.jsonValue(), "properties": self.properties}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Field) and self.jsonValue() == other.jsonValue()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"Field({self.name!r}, {self.dataType!r})"


class StructType(DataType):
    """Named parts in order.

    Parameters
    ----------
    fields : iterable of Field
    """

    def __init__(self, fields: Iterable[Field] = (), properties: Optional[Mapping[str, Any]] = None) -> None:
        super().__init__(properties)
        self.fields: list[Field] = []
        self.field_map: dict[str, Field] = {}
        for field in fields:
            self.add(field)

    def add(self, field: Field) -> None:
        """Add a field at the end, or replace the one of that name."""
        if field.name in self.field_map:
            self.fields[self.fields.index(self.field_map[field.name])] = field
        else:
            self.fields.append(field)
        self.field_map[field.name] = field

    def hasField(self, field: Union[str, Field]) -> bool:
        """Whether there is a field of that name."""
        return _name_of(field) in self.field_map

    def getField(self, field: Union[str, Field]) -> Field:
        """The field of that name.

        Raises
        ------
        KeyError
            If there is none.
        """
        return self.field_map[_name_of(field)]

    def jsonValue(self) -> dict[str, Any]:
        """The type as a JSON object."""
        return {**super().jsonValue(), "fields": [field.jsonValue() for field in self.fields]}

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def _inside(self) -> str:
        return repr(self.fields)


class EntityType(DataType):
    """Not yet implemented, as the Glue Developer Guide has it."""

    def __init__(self, entity: Any, base_type: Any, properties: Any) -> None:
        raise NotImplementedError("EntityType is not yet implemented")


ATOMIC = (
    BinaryType,
    BooleanType,
    ByteType,
    DateType,
    DecimalType,
    DoubleType,
    EnumType,
    FloatType,
    IntegerType,
    LongType,
    NullType,
    ShortType,
    StringType,
    TimestampType,
    UnknownType,
)
_BY_NAME: dict[str, Any] = {atomic.typeName(): atomic for atomic in ATOMIC}


def from_json_value(value: Mapping[str, Any]) -> DataType:
    """Read a type that ``jsonValue`` wrote.

    Parameters
    ----------
    value : mapping
        The JSON object.

    Raises
    ------
    ValueError
        If it names no type.
    """
    name = value["dataType"]
    properties = value.get("properties")
    if name in _BY_NAME:
        read: DataType = _BY_NAME[name].fromJsonValue(value)
        return read
    if name == "array":
        return ArrayType(from_json_value(value["elementType"]), properties)
    if name == "map":
        return MapType(from_json_value(value["valueType"]), properties)
    if name == "choice":
        return ChoiceType(map(from_json_value, value["choices"]), properties)
    if name == "struct":
        return StructType(
            [
                Field(field["name"], from_json_value(field["container"]), field.get("properties"))
                for field in value["fields"]
            ],
            properties,
        )
    raise ValueError(f"{name} is no type of Glue")


def _name_of(field: Union[str, Field]) -> str:
    return field.name if isinstance(field, Field) else field
