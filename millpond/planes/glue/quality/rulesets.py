"""Rulesets: texts of DQDL that have a name."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from millpond.planes.glue.exceptions import AlreadyExistsException, InvalidInputException
from millpond.planes.glue.paging import page
from millpond.planes.glue.quality.store import QualityState, is_between
from millpond.planes.glue.requests import Request, Shape, chosen, found, now, required
from millpond.planes.glue.tags import Tags

KIND = "dataQualityRuleset"
_GIVEN = ("Description", "Ruleset", "TargetTable", "DataQualitySecurityConfiguration")
_LISTED = ("Name", "Description", "CreatedOn", "LastModifiedOn", "TargetTable", "RecommendationRunId")


class Rulesets:
    """Operations of rulesets.

    Parameters
    ----------
    state : QualityState
        Where they are.
    tags : Tags
    glue_runtime : Path
        Where the language's reader is: jobs have the same.
    """

    OPERATIONS = (
        "CreateDataQualityRuleset",
        "DeleteDataQualityRuleset",
        "GetDataQualityRuleset",
        "ListDataQualityRulesets",
        "UpdateDataQualityRuleset",
    )

    def __init__(self, state: QualityState, tags: Tags, glue_runtime: Path) -> None:
        self._state = state
        self._tags = tags
        self._language = glue_runtime / "awsgluedq" / "dqdl.py"

    def create_data_quality_ruleset(self, request: Request) -> Shape:
        name = required(request, "Name")
        self._rules(required(request, "Ruleset"))
        if name in self._state.rulesets:
            raise AlreadyExistsException(f"Data quality ruleset {name} already exists.")
        self.add(name, chosen(request, *_GIVEN))
        self._tags.create(KIND, name, request.get("Tags"))
        return {"Name": name}

    def add(self, name: str, definition: Shape) -> None:
        """Keep a ruleset that was made now."""
        made = now()
        self._state.rulesets[name] = {"Name": name, **definition, "CreatedOn": made, "LastModifiedOn": made}

    def get_data_quality_ruleset(self, request: Request) -> Shape:
        return dict(self._ruleset(request))

    def update_data_quality_ruleset(self, request: Request) -> Shape:
        old = self._ruleset(request)
        if request.get("Ruleset"):
            self._rules(request["Ruleset"])
        new = {**old, **chosen(request, "Description", "Ruleset"), "LastModifiedOn": now()}
        self._state.rulesets[old["Name"]] = new
        return chosen(new, "Name", "Description", "Ruleset")

    def delete_data_quality_ruleset(self, request: Request) -> Shape:
        name = self._ruleset(request)["Name"]
        del self._state.rulesets[name]
        self._tags.forget(KIND, name)
        return {}

    def list_data_quality_rulesets(self, request: Request) -> Shape:
        criteria = request.get("Filter") or {}
        names = self._tags.fitting(KIND, sorted(self._state.rulesets), request)
        fitting = [one for name in names if _fits(one := self._state.rulesets[name], criteria)]
        some, token = page(fitting, request)
        listed = [{**chosen(one, *_LISTED), "RuleCount": self._rules(one["Ruleset"])} for one in some]
        return {"Rulesets": listed, **token}

    def _ruleset(self, request: Request) -> Shape:
        name = required(request, "Name")
        return found(self._state.rulesets, name, f"Data quality ruleset {name} not found.")

    def _rules(self, text: str) -> int:
        """How many rules a text has.

        Raises
        ------
        InvalidInputException
            If it is not of the language, or asks for what is not here.
        """
        language = _module(self._language)
        try:
            ruleset = language.parse(text)
        except (language.DqdlError, NotImplementedError) as error:
            raise InvalidInputException(f"The ruleset is not valid: {error}") from error
        return len(ruleset.rules)


def _fits(ruleset: Shape, criteria: Request) -> bool:
    target = {key: value for key, value in (criteria.get("TargetTable") or {}).items() if key != "CatalogId"}
    has: Callable[[str], bool] = lambda name: not criteria.get(name) or criteria[name] == ruleset.get(name)  # noqa: E731
    return (
        has("Name")
        and has("Description")
        and target.items() <= (ruleset.get("TargetTable") or {}).items()
        and is_between(ruleset["CreatedOn"], criteria, "CreatedAfter", "CreatedBefore")
        and is_between(ruleset["LastModifiedOn"], criteria, "LastModifiedAfter", "LastModifiedBefore")
    )


_MODULES: dict[Path, ModuleType] = {}


def _module(file: Path) -> Any:
    """A module of the jobs' own runtime, by its file: its package is not on this interpreter's path."""
    if file not in _MODULES:
        spec = importlib.util.spec_from_file_location("millpond_dqdl", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # Its dataclasses look their module up.
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        _MODULES[file] = module
    return _MODULES[file]
