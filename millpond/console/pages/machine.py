"""The states of an execution: as a graph with their outcomes, and each with what went in and came out."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from nicegui import ui

from millpond.base.errors import MillpondError
from millpond.console.pages import frame
from millpond.console.pages.frame import Console
from millpond.console.reads import actions, machine
from millpond.console.reads.runs import Run

# What a page can hold; the rest is in the history.
MOST_VISITS = 200
MOST_NODES = 300


class Machine:
    """The part of a run's page that an execution has.

    Parameters
    ----------
    console : Console
        What the pages share.
    run : Run
        The execution.
    """

    def __init__(self, console: Console, run: Run) -> None:
        self._console = console
        self._run = run
        self._shown: machine.Execution | None = None
        with ui.element("section").classes("grow"):
            frame.heading("States", 2)
            self._graph = ui.column().classes("grow").style("overflow: auto")
            self._states = ui.column().classes("grow")
        self._diagram: Any = None

    async def look(self) -> None:
        """Read the history, and show what is new."""
        try:
            found = await frame.in_thread(
                lambda: machine.read_execution(self._console.source.aws, self._run.id)
            )
        except (ClientError, BotoCoreError) as error:
            self._states.clear()
            with self._states:
                frame.said(str(error), is_bad=True)
            return
        if found != self._shown:
            self._shown = found
            self._draw(found)

    def _draw(self, found: machine.Execution) -> None:
        text = machine.mermaid(found.graph, machine.outcomes(found.visits))
        if len(found.graph.nodes) > MOST_NODES:
            if self._diagram is None:
                with self._graph:
                    ui.label(f"{len(found.graph.nodes)} states are too many for a picture.")
                self._diagram = True
        elif self._diagram is None:
            with self._graph:
                self._diagram = ui.mermaid(text, config={"securityLevel": "strict", "theme": "neutral"})
                self._diagram.props('role=img aria-label="Graph of the states; the list below says the same"')
        else:
            self._diagram.content = text
        self._states.clear()
        with self._states:
            if not self._console.source.is_read_only:
                with ui.row():
                    ui.button("Run again…", icon="replay", on_click=lambda: self._again(found)).props(
                        "outline"
                    )
                    if found.can_redrive:
                        redrive = ui.button("Redrive", icon="redo", on_click=self._redrive).props("outline")
                        with redrive:
                            ui.tooltip("Go on from what failed; what succeeded stays")
            _texts("Input of the execution", found.input)
            for visit in found.visits[-MOST_VISITS:]:
                _visit(visit)
            if len(found.visits) > MOST_VISITS:
                ui.label(f"and {len(found.visits) - MOST_VISITS:,} before").classes("quiet")
            if found.output:
                _texts("Output of the execution", found.output)

    async def _redrive(self) -> None:
        try:
            await frame.in_thread(lambda: actions.redrive(self._console.source.aws, self._run))
        except (ClientError, BotoCoreError) as error:
            ui.notify(str(error), type="negative")
            return
        ui.navigate.to(self._run.link)

    async def _again(self, found: machine.Execution) -> None:
        with ui.dialog(value=True) as dialog, ui.card().style("min-width: 620px"):
            frame.heading(f"Run {self._run.name} again", 2)
            given = frame.editor(_pretty(found.input), "Input", language="JSON").style("height: 320px")
            said = ui.label().classes("failed wrap").props("role=alert")
            with ui.row():

                async def start() -> None:
                    try:
                        started = await frame.in_thread(
                            lambda: actions.again_execution(
                                self._console.source.aws, found.machine_arn, given.value
                            )
                        )
                    except (MillpondError, ClientError, BotoCoreError) as error:
                        said.text = str(error)
                        return
                    dialog.close()
                    ui.navigate.to(started.link)

                ui.button("Start", on_click=start)
                ui.button("Cancel", on_click=dialog.close).props("flat")


def _visit(visit: machine.Visit) -> None:
    state = ui.expansion(f"{visit.name}: {visit.outcome}", caption=visit.error[:300]).classes("grow")
    with state.props(f'header-class="{visit.outcome}"'):
        _texts("Input", visit.input)
        if visit.output:
            _texts("Output", visit.output)
        if visit.error:
            frame.said(visit.error, is_bad=True)


def _texts(title: str, text: str) -> None:
    ui.label(title).classes("quiet")
    frame.text(_pretty(text))


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
