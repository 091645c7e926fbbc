"""Reading typed values out of DynamoDB items, with errors that name the item and the key."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Mapping

from ingest.errors import IngestError


class Item:
    """A DynamoDB item, or a map inside one, whose values are read by type.

    Parameters
    ----------
    content : mapping
        The item as the boto3 resource returns it.
    where : str
        What to call it in an error, for example ``job_settings item of erp.orders``.
    """

    def __init__(self, content: Mapping[str, Any], where: str) -> None:
        self._content = content
        self.where = where

    def text(self, key: str) -> str:
        value = self._required(key)
        if not isinstance(value, str) or not value:
            raise self._wrong(key, "a text that is not empty", value)
        return value

    def optional_text(self, key: str) -> str | None:
        value = self._content.get(key)
        if value is not None and not isinstance(value, str):
            raise self._wrong(key, "a text or null", value)
        return value or None

    def boolean(self, key: str) -> bool:
        value = self._required(key)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return value

    def positive(self, key: str) -> int:
        value = self._required(key)
        is_number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
        if not is_number or value != int(value) or value < 1:
            raise self._wrong(key, "a whole number from 1", value)
        return int(value)

    def maps(self, key: str) -> tuple[Item, ...]:
        value = self._required(key)
        if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
            raise self._wrong(key, "a list of maps", value)
        return tuple(Item(entry, f"{self.where}, {key}[{i}]") for i, entry in enumerate(value))

    def _required(self, key: str) -> Any:
        if key not in self._content:
            raise IngestError(f"The {self.where} has no key {key!r}.")
        return self._content[key]

    def _wrong(self, key: str, expected: str, value: Any) -> IngestError:
        return IngestError(f"The {self.where} has {value!r} under {key!r}; expected {expected}.")
