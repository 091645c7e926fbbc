"""Every run in one list."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from fastapi.responses import Response
from nicegui import app, ui

from millpond.console.pages import frame
from millpond.console.pages.frame import Console
from millpond.console.reads.runs import LISTINGS, Run

DATA = "/data/runs"
_KINDS = ("all kinds", *LISTINGS)
_OUTCOMES = ("all states", "running", "succeeded", "failed", "stopped")

# Cells are made of text alone: a name is never HTML.
_LINK = """params => { const a = document.createElement("a"); a.href = params.data.link;
    a.textContent = params.value; a.tabIndex = -1; return a; }"""
_SECONDS = """params => { const s = params.value; if (s == null) return "";
    return s < 60 ? s.toFixed(1) + " s" : Math.floor(s / 60) + " min " +
        String(Math.floor(s % 60)).padStart(2, "0") + " s"; }"""
_MOMENT = """params => params.value ? new Date(params.value).toLocaleString("sv-SE") : "" """
_ENTER = """event => { if (event.event.key === "Enter" && event.data) location.href = event.data.link; }"""

COLUMNS: list[dict[str, Any]] = [
    {"field": "state", "width": 130, ":cellClass": "params => ['state', params.data.outcome]"},
    {"field": "kind", "width": 110},
    {"field": "name", "flex": 2, ":cellRenderer": _LINK},
    {"field": "started", "width": 175, ":valueFormatter": _MOMENT},
    {"field": "seconds", "headerName": "took", "width": 110, ":valueFormatter": _SECONDS},
    {"field": "what", "headerName": "reason or statement", "flex": 4},
    {"field": "outcome", "hide": True},
]

# The rows come by themselves, not within the page: the grid shows what changed and keeps its place.
_SCRIPT = """
window.millpondRuns = async (grid) => {
  if (window.millpondReads) return;
  window.millpondReads = true;
  try {
    const since = window.millpondSince ?? 0;
    const answer = await fetch("%(data)s?since=" + since);
    if (!answer.ok) return;
    const { version, rows } = await answer.json();
    const api = getElement(grid).api;
    if (since === 0) api.setGridOption("rowData", rows);
    else api.applyTransaction({
      add: rows.filter((row) => !api.getRowNode(row.id)).reverse(), addIndex: 0,
      update: rows.filter((row) => api.getRowNode(row.id)),
    });
    window.millpondSince = version;
  } finally { window.millpondReads = false; }
};
"""


@lru_cache(maxsize=100_000)
def row_of(run: Run) -> dict[str, Any]:
    """What the list shows of a run."""
    return {
        "id": "\n".join(run.key),
        "kind": run.kind,
        "name": run.name,
        "state": run.state,
        "outcome": run.outcome,
        "started": run.started.isoformat() if run.started else None,
        "seconds": run.seconds,
        "what": " ".join((run.reason or run.detail)[:400].split()),
        "link": run.link,
    }


def register(console: Console) -> None:
    """Make the page ``/runs`` and the data behind it."""

    @app.get(DATA)
    def data(since: int = 0) -> Response:
        version = console.book.version
        found = console.book.since(since) if since else console.book.runs()
        content = {"version": version, "rows": [row_of(run) for run in found]}
        return Response(json.dumps(content), media_type="application/json")

    @ui.page("/runs")
    def runs(kind: str = "", outcome: str = "", text: str = "") -> None:
        ui.add_head_html(f"<script>{_SCRIPT % {'data': DATA}}</script>")
        with frame.page(console, "Runs", "/runs"):
            _list(console, kind, outcome, text)


def _list(console: Console, kind: str, outcome: str, text: str) -> None:
    with ui.row().classes("items-center grow"):
        kinds = ui.select(list(_KINDS), value=kind if kind in _KINDS else _KINDS[0], label="kind")
        outcomes = ui.select(
            list(_OUTCOMES), value=outcome if outcome in _OUTCOMES else _OUTCOMES[0], label="state"
        )
        wanted = ui.input("name, reason or statement", value=text).props("clearable").style("flex: 1")
        count = ui.label().classes("quiet").props("role=status")
    refused = ui.column().classes("grow")
    grid = ui.aggrid(
        {
            "columnDefs": COLUMNS,
            "defaultColDef": {"sortable": True, "resizable": True, "filter": "agTextColumnFilter"},
            "rowData": [],
            ":getRowId": "params => params.data.id",
            ":onRowClicked": "event => { location.href = event.data.link; }",
            ":onCellKeyDown": _ENTER,
            "rowHeight": 34,
        }
    ).style("height: calc(100vh - 230px); min-height: 300px")
    grid.classes("grow").props('aria-label="Runs"')

    def choose() -> None:
        model = {
            name: {"type": "equals", "filter": chosen.value}
            for name, chosen in (("kind", kinds), ("outcome", outcomes))
            if not chosen.value.startswith("all ")
        }
        grid.run_grid_method("setFilterModel", model)
        grid.run_grid_method("setGridOption", "quickFilterText", wanted.value or "")
        kept = {name: one["filter"] for name, one in model.items()} | {"text": wanted.value or ""}
        # So that the address can be shared.
        ui.run_javascript(
            f"history.replaceState(null, '', '/runs?' + new URLSearchParams({json.dumps(kept)}))"
        )

    for chosen in (kinds, outcomes, wanted):
        chosen.on_value_change(choose)
    shown = {"version": -1}

    async def look() -> None:
        version = await frame.in_thread(console.looks.get) or 0
        if version == shown["version"]:
            return
        is_first, shown["version"] = shown["version"] < 0, version
        count.text = f"{len(console.book):,} runs"
        ui.run_javascript(f"millpondRuns({grid.id})")
        if is_first and (kind or outcome or text):
            choose()
        refused.clear()
        with refused:
            for name, reason in console.book.refused.items():
                frame.said(f"Runs of kind {name} cannot be read: {reason}")

    frame.every(frame.POLL_SECONDS, look)
