"""One graph of the platform: what data went from where to where, by which work, and what started it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from millpond.client.trail import Passage, TrailReader
from millpond.console.pages import frame
from millpond.console.pages.frame import Console
from millpond.console.reads import deployed, flow, lake
from millpond.console.reads.runs import Run
from millpond.console.reads.things import Thing

# Definitions change seldom, and take a call for each thing.
DEFINITIONS_SECONDS = 20.0
MOST_RUNS = 100

# Edges have the names that they are given; what is lit changes without laying the graph out anew.
_SCRIPT = """
window.millpondFlow = (id, lit, all) => {
  const graph = getElement(id).$el;
  const bright = new Set(lit);
  graph.querySelectorAll(".edgePaths path").forEach((path) => {
    const name = (path.dataset.id ?? path.id).match(/e\\d+$/)?.[0];
    path.classList.toggle("lit", !all && bright.has(name));
    path.classList.toggle("dim", !all && !bright.has(name));
  });
};
"""
_STYLE = """
.flow { overflow: auto; border: 1px solid var(--edge); padding: 8px; background: #fff; }
.flow svg { max-width: none !important; }
.flow path.lit { stroke: #1259b8 !important; stroke-width: 3.5px !important; }
.flow path.dim { opacity: .15; }
.flow .node { cursor: pointer; }
"""


def register(console: Console) -> None:
    """Make the page ``/flow``."""

    @ui.page("/flow")
    async def page(text: str = "", run: str = "", at: int = -1) -> None:
        ui.add_head_html(f"<script>{_SCRIPT}</script>")
        ui.add_css(_STYLE)
        with frame.page(console, "Flow", "/flow"):
            await _Page(console, text, run, at).show()


def link_of(run: Run) -> str:
    """The address of the graph with the way of a run lit."""
    return f"/flow?{urlencode({'run': json.dumps(run.key)})}"


@dataclass(frozen=True)
class _Seen:
    """What the graph is made of, as far as it changes by itself."""

    passages: list[Passage] | None
    flow: flow.Flow
    refused: dict[str, str]


def _read(console: Console, trail: TrailReader) -> _Seen:
    passages = trail.read()
    aws = console.source.aws
    entries = console.remembered("tables", lambda: lake.entries(aws), lake.SECONDS).get() or []
    definitions = console.remembered("definitions", lambda: deployed.links(aws), DEFINITIONS_SECONDS)
    links, refused = definitions.get() or ([], {"definitions": definitions.error})
    places = flow.Places(
        (Thing("table", f"{one.database}.{one.name}"), one.location, one.form) for one in entries
    )
    groups = {run.id: run.name for run in console.book.runs() if run.kind == "query"}
    return _Seen(passages, flow.flow_of(passages or [], links, places, groups), refused)


@dataclass
class _Page:
    console: Console
    text: str
    run: str
    at: int
    _shown: flow.Flow | None = None
    _seen: _Seen | None = None
    _runs: dict[str, Run] = field(default_factory=dict)
    _moments: list[float] = field(default_factory=list)
    _diagram: Any = None

    async def show(self) -> None:
        """Draw the page, and keep it up to date."""
        trail = TrailReader(self.console.source.aws.endpoint_url)
        self._reader = self.console.remembered("flow", lambda: _read(self.console, trail))
        with ui.row().classes("items-center grow"):
            self._wanted = ui.input("around: words of a kind and a name", value=self.text)
            self._wanted.props("clearable debounce=300").style("flex: 1").on_value_change(self._changed)
            self._run = ui.select({"": "every run"}, value="", label="the way of", with_input=True)
            self._run.style("min-width: 340px").on_value_change(self._changed)
        with ui.row().classes("items-center grow no-wrap") as self._time:
            ui.label("until").classes("quiet")
            self._slider = ui.slider(min=0, max=1, step=1, value=1).props('aria-label="until when"')
            self._slider.style("flex: 1").on("change", self._changed)
            self._moment = ui.label().classes("mono").props("role=status")
        self._said = ui.column().classes("grow")
        self._graph = ui.element("div").classes("flow grow").props('tabindex=0 role=region aria-label="Flow"')
        self._list = ui.column().classes("grow")
        frame.every(frame.POLL_SECONDS, self._look)

    async def _look(self) -> None:
        await frame.in_thread(self.console.looks.get)
        seen = await frame.in_thread(self._reader.get)
        if seen is None or seen == self._seen:
            return
        self._seen = seen
        self._fill_runs(seen.passages or [])
        self._said.clear()
        with self._said:
            if seen.passages is None:
                frame.said("This endpoint does not tell what was read and written: here is what is deployed.")
            for name, reason in seen.refused.items():
                frame.said(f"{name}: {reason}", is_bad=True)
        self._draw()

    def _fill_runs(self, passages: list[Passage]) -> None:
        sessions = {one.run for one in passages}
        runs = [run for run in self.console.book.runs() if _has_way(run, sessions)][:MOST_RUNS]
        self._runs = {json.dumps(run.key): run for run in runs}
        if self.run and self.run not in self._runs:
            known = {json.dumps(run.key): run for run in self.console.book.runs()}
            self._runs |= {self.run: known[self.run]} if self.run in known else {}
        options = {
            key: f"{one.kind} {one.name} {frame.moment(one.started)} {one.state}"
            for key, one in self._runs.items()
        }
        chosen = self.run if self.run in options else ""
        self._run.set_options({"": "every run", **options}, value=chosen)

    def _changed(self, *_: object) -> None:
        self.text, self.run = self._wanted.value or "", self._run.value or ""
        last = len(self._moments) - 1
        self.at = -1 if self._slider.value >= last else int(self._slider.value)
        kept = {"text": self.text, "run": self.run, "at": self.at}
        kept = {name: value for name, value in kept.items() if value not in ("", -1)}
        ui.run_javascript(
            f"history.replaceState(null, '', '/flow?' + new URLSearchParams({json.dumps(kept)}))"
        )
        self._draw()

    def _draw(self) -> None:
        if self._seen is None:
            return
        shown = flow.around(self._seen.flow, self.text)
        passages = self._seen.passages or []
        chosen = flow.of_run(passages, self._runs[self.run]) if self.run in self._runs else None
        if chosen is not None and not self.text:
            # The way of a run alone: what it did not touch is not in the way.
            ends = {
                end for one in shown.edges if one.is_of(chosen, float("inf")) for end in (one.start, one.end)
            }
            kept = tuple(one for one in shown.edges if {one.start, one.end} <= ends)
            shown = flow.Flow(tuple(one for one in shown.nodes if one in ends), kept)
        self._moments = flow.moments(shown.edges)
        self._time.set_visibility(len(self._moments) > 1)
        last = max(len(self._moments) - 1, 0)
        self._slider.props(f"max={max(last, 1)}")
        place = last if self.at < 0 else min(self.at, last)
        self._slider.value = place
        moment = self._moments[place] if self._moments else float("inf")
        self._moment.text = flow.at(moment) if self._moments else ""
        is_plain = chosen is None and place == last
        lit = [f"e{number}" for number, one in enumerate(shown.edges) if one.is_of(chosen, moment)]
        self._show_graph(shown)
        if self._diagram is not None:
            ui.run_javascript(_LIGHT % (self._diagram.id, json.dumps(lit), json.dumps(is_plain)))
        self._show_list(shown, chosen, moment)

    def _show_graph(self, shown: flow.Flow) -> None:
        if self._shown is not None and flow.mermaid(shown) == flow.mermaid(self._shown):
            return
        self._shown = shown
        self._graph.clear()
        self._diagram = None
        with self._graph:
            if not shown.nodes:
                ui.label("Nothing has gone any way yet, and nothing is deployed that could start something.")
            elif len(shown.nodes) > flow.MOST_NODES:
                ui.label(
                    f"{len(shown.nodes):,} things are too many for a picture: name some of them above,"
                    " or choose a run. The list below has all."
                )
            else:
                self._diagram = ui.mermaid(
                    flow.mermaid(shown),
                    config={
                        "securityLevel": "strict",
                        "theme": "neutral",
                        "maxEdges": 5000,
                        "maxTextSize": 1_000_000,
                        "flowchart": {"useMaxWidth": False, "nodeSpacing": 24, "rankSpacing": 60},
                    },
                    on_node_click=lambda event: self._open(event.node_id),
                )
                self._diagram.props('role=img aria-label="Graph of the flow; the list below says the same"')

    def _open(self, node_id: str) -> None:
        # With what Mermaid puts before the names of nodes, which is not the same in each of its versions.
        number = int(node_id.rpartition("n")[2])
        if self._shown is not None and number < len(self._shown.nodes):
            node = self._shown.nodes[number]
            ui.navigate.to(node.link or f"/flow?{urlencode({'text': f'{node.kind} {node.name}'})}")

    def _show_list(self, shown: flow.Flow, chosen: frozenset[Passage] | None, moment: float) -> None:
        rows = []
        for edge in shown.edges:
            own = [one for one in edge.passages if (chosen is None or one in chosen) and one.first <= moment]
            if chosen is not None and not own:
                continue
            rows.append(
                (
                    edge.start.kind,
                    edge.start.name,
                    {"reads": "is read by", "writes": "writes", "starts": "starts"}[edge.verb],
                    edge.end.kind,
                    edge.end.name,
                    sum(one.count for one in own) or None,
                    flow.at(max(one.last for one in own)) if own else "deployed, not seen yet",
                    edge.start.link or edge.end.link or "/flow",
                )
            )
        columns = ("from", "name", "", "to", "its name", "calls", "last")
        self._list.clear()
        with self._list:
            frame.heading(f"{len(shown.nodes):,} things, {len(rows):,} ways between them", 2)
            frame.grid(columns, rows, label="Ways", links="name")


# The graph is drawn a moment after it was sent.
_LIGHT = """(async (id, lit, all) => {
  for (let tries = 0; tries < 200 && !getElement(id)?.$el?.querySelector("svg"); tries++)
    await new Promise((done) => setTimeout(done, 50));
  if (getElement(id)) millpondFlow(id, lit, all);
})(%d, %s, %s)"""


def _has_way(run: Run, sessions: set[str]) -> bool:
    return run.kind == "execution" or flow.session_of(run) in sessions
