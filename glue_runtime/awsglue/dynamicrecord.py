"""``DynamicRecord``: a record as the functions of a script see it."""

from __future__ import annotations

from typing import Any, Dict, Mapping


class DynamicRecord(Dict[str, Any]):
    """A record: a dictionary whose fields are attributes, too, where their names allow it.

    Parameters
    ----------
    fields : mapping
        Values by name; nested structs are records of their own.

    Examples
    --------
    >>> record = DynamicRecord({"name": "a", "address": {"city": "b"}})
    >>> record.address.city
    'b'
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__({name: _wrapped(value) for name, value in fields.items()})

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __reduce__(self) -> Any:
        return DynamicRecord, (dict(self),)


def _wrapped(value: Any) -> Any:
    if isinstance(value, dict):
        return DynamicRecord(value)
    if isinstance(value, list):
        return [_wrapped(item) for item in value]
    return value
