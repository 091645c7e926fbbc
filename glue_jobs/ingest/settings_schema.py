"""What ``job_settings.json`` defines: the settings of a table, their values and defaults, and the load modes.

The file is read here by the jobs, the Lambdas and the verbs, and in terraform/settings.tf by Terraform; both
say the same of an item. It is JSON Schema (draft 2020-12), of which only the keywords that it uses are read.
"""

from __future__ import annotations

import json
import pkgutil
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Mapping

_SCHEMA = json.loads(pkgutil.get_data("ingest", "job_settings.json") or b"")

FIELDS: Mapping[str, Mapping[str, Any]] = _SCHEMA["properties"]
"""The schema of each setting, in the order of the contract."""

DEFAULTS: Mapping[str, Any] = {name: field["default"] for name, field in FIELDS.items() if "default" in field}
"""What a setting is where an item has none; those without a default are required."""


@dataclass(frozen=True)
class LoadMode:
    """What a run of a table reads, and what becomes of it.

    Parameters
    ----------
    name : str
    reads, does : str
        For a person.
    needs : tuple of str
        Settings that must not be empty.
    action : {"overwrite", "diff", "upsert"}
        What is done to the curated table; see :class:`ingest.engines.Change`.
    starts_from : str or None
        The setting that names the column whose committed greatest value a run starts from.
    is_open : bool
        Whether rows at that value are complete, and not read again.
    keeps_absent_rows : bool
        Whether a row stays in the lake when the source has it no longer, even if all is read again.
    is_log : bool
        Whether the source table holds changes, of which the newest of each key counts.
    """

    name: str
    reads: str
    does: str
    needs: tuple[str, ...]
    action: str
    starts_from: str | None = None
    is_open: bool = False
    keeps_absent_rows: bool = False
    is_log: bool = False


def choices(setting: str) -> tuple[str, ...]:
    """The values that a setting, or an entry of it, may have.

    Examples
    --------
    >>> choices("engine"), choices("column_actions")
    (('auto', 'shell', 'spark'), ('hash', 'tokenise', 'drop'))
    """
    field = FIELDS[setting]
    return tuple(choice["const"] for choice in field.get("additionalProperties", field)["oneOf"])


def _load_mode(choice: Mapping[str, Any]) -> LoadMode:
    facts = {name: value for name, value in choice.items() if name not in ("const", "description", "needs")}
    return LoadMode(name=choice["const"], does=choice["description"], needs=tuple(choice["needs"]), **facts)


LOAD_MODES: Mapping[str, LoadMode] = {
    choice["const"]: _load_mode(choice) for choice in FIELDS["load_mode"]["oneOf"]
}


def completed(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item of ``job_settings`` with the default of each setting that it leaves out."""
    return {**DEFAULTS, **item}


def problems(item: Mapping[str, Any]) -> list[str]:
    """Why a completed item cannot be used, without looking at the table; empty when it can.

    Terraform's ``local.settings_problems`` has the same texts.
    """
    found = [f"{name} is no setting" for name in item if name not in FIELDS]
    for name, field in FIELDS.items():
        if name not in item:
            found.append(f"{name} is missing")
        elif not _is_valid(field, item[name]):
            found.append(f"{name} is not {_expected(name)}")
    mode = item.get("load_mode")
    needs = LOAD_MODES[mode].needs if isinstance(mode, str) and mode in LOAD_MODES else ()
    return found + [f"load_mode {mode} needs {name}" for name in needs if not item.get(name)]


def _expected(name: str) -> str:
    field = FIELDS[name]
    if "expected" in field:
        return str(field["expected"])
    return ("a map to " if "additionalProperties" in field else "one of ") + ", ".join(choices(name))


def _is_valid(field: Mapping[str, Any], value: Any) -> bool:
    types = [field["type"]] if isinstance(field["type"], str) else field["type"]
    return any(_is_of_type(kind, field, value) for kind in types)


def _is_of_type(kind: str, field: Mapping[str, Any], value: Any) -> bool:
    if kind == "null":
        return value is None
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "string":
        if not isinstance(value, str) or len(value) < field.get("minLength", 0):
            return False
        is_chosen = "oneOf" not in field or any(choice["const"] == value for choice in field["oneOf"])
        return is_chosen and re.search(field.get("pattern", ""), value) is not None
    if kind in ("integer", "number"):
        if not isinstance(value, (int, float, Decimal)) or isinstance(value, bool):
            return False
        is_whole = kind == "number" or value == int(value)
        return is_whole and field.get("minimum", value) <= value <= field.get("maximum", value)
    if kind == "array":
        return isinstance(value, (list, tuple)) and all(_is_valid(field["items"], one) for one in value)
    if not isinstance(value, Mapping):
        return False
    entries = field.get("properties", dict.fromkeys(value, field.get("additionalProperties")))
    return value.keys() == entries.keys() and all(_is_valid(entries[key], value[key]) for key in value)
