"""Both jobs make the same of every table of the fixtures, of all its rows and of what changed in them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from _pytest.mark import ParameterSet
from ingest.settings_schema import DEFAULTS
from ingest_fixtures import Lab

from lake.load import load, run_workload
from millpond.base.config import CHECKOUT

FIXTURES = CHECKOUT / "fixtures"
ENGINES = ("shell", "spark")


def read_items(directory: str) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in sorted((FIXTURES / directory).glob("*.json"))}


SETTINGS, STRUCTURES = read_items("job_settings"), read_items("table_structures")
CHANGING = [name for name, settings in SETTINGS.items() if (DEFAULTS | settings)["load_mode"] != "full"]


# One of each load mode, and what is large or has the rarer types; by hand, every table.
SAMPLE = {
    "erp.Group",
    "erp.audit_log",
    "erp.machine_snapshots",
    "erp.measurements",
    "erp.price_agreements",
    "erp.products",
    "erp.stock_movements",
    "erp.supplier_changes",
    "tpch.lineitem",
}


def sampled(names: Iterable[str]) -> list[ParameterSet]:
    return [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.foreign) for name in names]


@pytest.fixture(scope="module")
def loaded(lab: Lab) -> Lab:
    """The lab with the source's tables."""
    load(lab.settings, scale=0.1)
    return lab


@pytest.fixture(scope="module")
def changed(request: pytest.FixtureRequest, loaded: Lab) -> Lab:
    """The lab after the tables that a run reads in part were ingested, and rows have changed since."""
    users = [item for item in request.session.items if "changed" in getattr(item, "fixturenames", ())]
    for name in sorted({item.callspec.params["name"] for item in users}):
        for engine in ENGINES:
            ensure_ingested(loaded, engine, name, "r1")
    run_workload(loaded.settings, changes=200)
    return loaded


@pytest.mark.parametrize("name", sampled(SETTINGS))
def test_both_jobs_make_the_same_of_a_table(loaded: Lab, name: str) -> None:
    for engine in ENGINES:
        ensure_ingested(loaded, engine, name, "r1")
    found = {engine: rows(loaded, engine, name) for engine in ENGINES}
    assert found["shell"] == found["spark"]
    assert found["shell"] or name == "erp.price_agreements"


@pytest.mark.parametrize("name", sampled(CHANGING))
def test_both_jobs_make_the_same_of_what_changed_in_a_table(changed: Lab, name: str) -> None:
    for engine in ENGINES:
        ensure_ingested(changed, engine, name, "r2")
    assert rows(changed, "shell", name) == rows(changed, "spark", name)


def rows(lab: Lab, engine: str, name: str) -> list[str]:
    settings = SETTINGS[name]
    return sorted(map(repr, lab.rows(f"{settings['target_database']}_{engine}.{settings['target_table']}")))


def ensure_ingested(lab: Lab, engine: str, name: str, run_id: str) -> None:
    """Ingest a table by one job into a database of its own, unless that run has been made."""
    table_id = f"{engine}.{name}"
    if "Item" in lab.runs.get_item(Key={"table_id": table_id, "run_id": run_id}):
        return
    database = f"{SETTINGS[name]['target_database']}_{engine}"
    lab.make_database(database)
    lab.put(
        {**SETTINGS[name], "table_id": table_id, "target_database": database},
        {**STRUCTURES[name], "table_id": table_id},
    )
    lab.run(engine, table_id, run_id)
    lab.commit(table_id, run_id)
