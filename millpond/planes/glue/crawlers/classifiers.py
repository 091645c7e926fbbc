"""Operations of custom classifiers."""

from __future__ import annotations

from collections.abc import Mapping

from millpond.planes.glue.crawlers.grok import grok_pattern
from millpond.planes.glue.crawlers.store import CrawlerState
from millpond.planes.glue.exceptions import (
    AlreadyExistsException,
    EntityNotFoundException,
    InvalidInputException,
)
from millpond.planes.glue.paging import page
from millpond.planes.glue.requests import Request, Shape, now, required

_KINDS: Mapping[str, str] = {
    "GrokClassifier": "GrokClassifier",
    "XMLClassifier": "XMLClassifier",
    "JsonClassifier": "JsonClassifier",
    "CsvClassifier": "CsvClassifier",
}


class Classifiers:
    """Operations of classifiers.

    Parameters
    ----------
    state : CrawlerState
        Where they are.
    """

    OPERATIONS = (
        "CreateClassifier",
        "DeleteClassifier",
        "GetClassifier",
        "GetClassifiers",
        "UpdateClassifier",
    )

    def __init__(self, state: CrawlerState) -> None:
        self._state = state

    def create_classifier(self, request: Request) -> Shape:
        kind, given = _asked(request)
        name, made = required(given, "Name"), now()
        if name in self._state.classifiers:
            raise AlreadyExistsException(f"Classifier {name} already exists.")
        _check(kind, given)
        self._state.classifiers[name] = {
            kind: {**given, "CreationTime": made, "LastUpdated": made, "Version": 1}
        }
        return {}

    def get_classifier(self, request: Request) -> Shape:
        return {"Classifier": self._found(required(request, "Name"))}

    def get_classifiers(self, request: Request) -> Shape:
        names = sorted(self._state.classifiers)
        some, token = page([self._state.classifiers[name] for name in names], request)
        return {"Classifiers": some, **token}

    def update_classifier(self, request: Request) -> Shape:
        kind, given = _asked(request)
        name = required(given, "Name")
        ((old_kind, old),) = self._found(name).items()
        if kind != old_kind:
            raise InvalidInputException(f"Classifier {name} is a {old_kind}")
        changed = {**old, **given, "LastUpdated": now(), "Version": old["Version"] + 1}
        _check(kind, changed)
        self._state.classifiers[name] = {kind: changed}
        return {}

    def delete_classifier(self, request: Request) -> Shape:
        name = required(request, "Name")
        self._found(name)
        del self._state.classifiers[name]
        return {}

    def _found(self, name: str) -> Shape:
        if name not in self._state.classifiers:
            raise EntityNotFoundException(f"Classifier {name} not found.")
        return self._state.classifiers[name]


def _asked(request: Request) -> tuple[str, Shape]:
    given = [(kind, request[kind]) for kind in _KINDS if request.get(kind)]
    if len(given) != 1:
        raise InvalidInputException(f"One of {', '.join(_KINDS)} must be given")
    return given[0][0], dict(given[0][1])


def _check(kind: str, given: Shape) -> None:
    if kind == "GrokClassifier":
        grok_pattern(required(given, "GrokPattern"), given.get("CustomPatterns") or "")
        required(given, "Classification")
    elif kind == "JsonClassifier":
        if not str(required(given, "JsonPath")).startswith("$"):
            raise InvalidInputException("JsonPath must begin with $")
    elif kind == "CsvClassifier":
        if given.get("CustomDatatypeConfigured") or given.get("CustomDatatypes"):
            raise InvalidInputException("Custom data types of a CsvClassifier are not available here")
        if given.get("Delimiter") and given.get("Delimiter") == given.get("QuoteSymbol"):
            raise InvalidInputException("The delimiter and the quote symbol must not be the same")
