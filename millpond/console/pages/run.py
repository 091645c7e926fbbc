"""One run: why it failed, its log at the error, what it was given, how long others took."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any, get_args
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError
from nicegui import ui

from millpond.base.errors import MillpondError
from millpond.console.pages import frame
from millpond.console.pages.flow import link_of
from millpond.console.pages.frame import Console
from millpond.console.pages.machine import Machine
from millpond.console.reads import actions, logs
from millpond.console.reads.runs import Kind, Run, past_of, read_run

REFUSALS = (ClientError, BotoCoreError, MillpondError, LookupError)
HIDDEN = "••••••"
_NAMES = {
    "job": "Run of the job",
    "execution": "Execution of",
    "query": "Query in",
    "build": "Build of",
    "crawl": "Crawl of",
}
_STYLE = """
.log { height: 460px; }
.at-error { background: color-mix(in srgb, var(--failed) 22%, transparent); }
.found { background: color-mix(in srgb, var(--stopped) 30%, transparent); }
"""


def register(console: Console) -> None:
    """Make the page ``/run``."""

    @ui.page("/run")
    async def run(kind: str, name: str, id: str) -> None:  # noqa: A002 (the name in the address)
        ui.add_css(_STYLE)
        with frame.page(console, f"{_NAMES.get(kind, kind)} {name}", "/runs"):
            if kind not in get_args(Kind):
                frame.said(f"There are no runs of a kind {kind}.", is_bad=True)
                return
            await _Page(console, kind, name, id).show()


class _Page:
    """The page of a run, looked at again as long as it goes on."""

    def __init__(self, console: Console, kind: Any, name: str, run_id: str) -> None:
        self._console = console
        self._aws = console.source.aws
        self._key = (kind, name, run_id)

    async def show(self) -> None:
        """Draw all of it."""
        try:
            self._run = await frame.in_thread(lambda: read_run(self._aws, *self._key))
        except REFUSALS as error:
            frame.said(str(error), is_bad=True)
            return
        self._head = ui.column().classes("grow")
        self._draw_head()
        if self._run.kind == "query":
            with ui.element("section").classes("grow"):
                frame.heading("Statement", 2)
                frame.text(self._run.detail)
                ui.link("open in the editor, with its result", f"/sql?{urlencode({'id': self._run.id})}")
        self._machine = Machine(self._console, self._run) if self._run.kind == "execution" else None
        self._log = _Log(self._console, self._run) if self._run.kind in ("job", "build", "crawl") else None
        await _arguments(self._console, self._run)
        await self._look_inside()
        if self._run.outcome == "running":
            frame.every(frame.POLL_SECONDS, self._look)

    async def _look(self) -> None:
        if self._run.outcome != "running":
            return
        try:
            told = await frame.in_thread(lambda: read_run(self._aws, *self._key))
        except REFUSALS as error:
            ui.notify(str(error), type="warning")
            return
        if told != self._run:
            self._run = told
            self._draw_head()
        await self._look_inside()

    async def _look_inside(self) -> None:
        if self._log:
            await self._log.look(self._run)
        if self._machine:
            await self._machine.look()

    def _draw_head(self) -> None:
        run = self._run
        self._head.clear()
        with self._head:
            with ui.row().classes("items-center"):
                frame.state(run.state, run.outcome)
                ui.label(f"started {frame.moment(run.started)}" if run.started else "not started yet")
                if run.seconds is not None:
                    ui.label(f"took {frame.duration(run.seconds)}")
                ui.label(_against(run, past_of(self._console.book.runs(), run))).classes("quiet")
            with ui.row().classes("items-center"):
                ui.label(run.id).classes("quiet mono wrap")
                ui.link("what it read and wrote", link_of(run))
            if run.reason:
                frame.said(run.reason, is_bad=run.outcome == "failed")
            if self._console.source.is_read_only:
                ui.label("This console only looks at this endpoint.").classes("quiet")
            else:
                with ui.row():
                    _buttons(self._console, run)


def _against(run: Run, past: list[Run]) -> str:
    """How a duration is to those before it."""
    if not past:
        return "the first that is known" if run.outcome == "succeeded" else ""
    usual = median(one.seconds for one in past if one.seconds is not None)
    text = f"usually {frame.duration(usual)} (median of the {len(past)} that succeeded before)"
    if run.seconds is not None and usual > 1 and not 0.67 < run.seconds / usual < 1.5:
        text += f": {run.seconds / usual:.1f} times that"
    return text


def _buttons(console: Console, run: Run) -> None:
    aws = console.source.aws
    if run.outcome == "running":
        with ui.dialog() as asked, ui.card():
            ui.label(f"Stop this run of {run.name}? What it has written stays.")
            with ui.row():
                ui.button("Stop it", on_click=lambda: asked.submit(True)).props("color=negative")
                ui.button("Let it run", on_click=lambda: asked.submit(False)).props("flat")

        async def stop() -> None:
            if await asked:
                await _done(lambda: actions.stop(aws, run), "It is being stopped.")

        ui.button("Stop", icon="stop", on_click=stop).props("outline")
    if run.kind == "job":
        ui.button("Run again…", icon="replay", on_click=lambda: _again_job(console, run)).props("outline")
    elif run.kind in ("build", "crawl"):

        async def again() -> None:
            started = await _done(lambda: actions.again(aws, run), "It is started.")
            if isinstance(started, Run):
                ui.navigate.to(started.link)

        ui.button("Run again", icon="replay", on_click=again).props("outline")


async def _done(act: Callable[[], Any], text: str) -> Any:
    """Do something that changes the stack, and say what became of it; False where it was refused."""
    try:
        found = await frame.in_thread(act)
    except REFUSALS as error:
        ui.notify(str(error), type="negative", multi_line=True, timeout=0, close_button="close")
        return False
    ui.notify(text, type="positive")
    return found


async def _again_job(console: Console, run: Run) -> None:
    aws = console.source.aws
    given = await frame.in_thread(lambda: logs.arguments_of(aws, run))
    fields: dict[str, Any] = {}
    with ui.dialog(value=True) as dialog, ui.card().style("min-width: 620px"):
        frame.heading(f"Run {run.name} again", 2)
        for name, value in given.items():
            secret = logs.is_secret(name)
            fields[name] = ui.input(name, value=value, password=secret, password_toggle_button=secret)
            fields[name].classes("grow")
        more = ui.input("more arguments", placeholder="--name=value --other=value").classes("grow")
        with ui.row():

            async def start() -> None:
                changed = {name: field.value for name, field in fields.items() if field.value != given[name]}
                try:
                    wanted = changed | parsed(more.value or "")
                except MillpondError as error:
                    more.props(f'error error-message="{_attribute(error.what)}"')
                    return
                started = await _done(lambda: actions.again_job(aws, run, wanted), "It is started.")
                if isinstance(started, Run):
                    dialog.close()
                    ui.navigate.to(started.link)

            ui.button("Start", on_click=start)
            ui.button("Cancel", on_click=dialog.close).props("flat")


def _attribute(text: str) -> str:
    return text.replace('"', "'")


def parsed(text: str) -> dict[str, str]:
    """Arguments as they are typed: ``--name=value``, separated by spaces.

    Raises
    ------
    MillpondError
        If one has no value.
    """
    found = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if not equals or not name.strip("-"):
            raise MillpondError(f"{word} is not --name=value")
        found[name if name.startswith("--") else f"--{name}"] = value
    return found


async def _arguments(console: Console, run: Run) -> None:
    if run.kind not in ("job", "build"):
        return
    try:
        given = await frame.in_thread(lambda: logs.arguments_of(console.source.aws, run))
    except REFUSALS as error:
        frame.said(str(error))
        return
    with ui.element("section").classes("grow"):
        frame.heading("Arguments", 2)
        if not given:
            ui.label("none")
            return
        with frame.table("name", "value", caption="Arguments"):
            for name, value in sorted(given.items()):
                frame.row(name, partial(_value, name, str(value)))


def _value(name: str, value: str) -> None:
    if not logs.is_secret(name):
        ui.label(value).classes("mono wrap")
        return
    with ui.row().classes("items-center"):
        shown = ui.label(HIDDEN).classes("mono wrap")

        def switch() -> None:
            shown.text = value if shown.text == HIDDEN else HIDDEN

        ui.button(icon="visibility", on_click=switch).props(
            f'flat round dense aria-label="Show or hide {_attribute(name)}"'
        )


class _Log:
    """A log, opened at its error: searched, and followed while it grows."""

    def __init__(self, console: Console, run: Run) -> None:
        self._aws = console.source.aws
        self._lines: list[str] = []
        self._place = 0
        with ui.element("section").classes("grow"):
            frame.heading("Log", 2)
            with ui.row().classes("items-center grow"):
                self._wanted = ui.input("find in the log").props("clearable dense").style("flex: 1")
                self._wanted.on_value_change(lambda: self._find(0))
                self._wanted.on("keydown.enter", lambda: self._find(1))
                for text, icon, step in (("Previous", "arrow_upward", -1), ("Next", "arrow_downward", 1)):
                    button = ui.button(icon=icon, on_click=lambda step=step: self._find(step))
                    button.props(f'flat dense aria-label="{text}"')
                self._count = ui.label().classes("quiet").props("role=status")
                self._to_error = ui.button("To the error", icon="error", on_click=self._reveal_error)
                self._to_error.props("outline dense color=negative").set_visibility(False)
                self._follow = ui.switch("follow", value=run.outcome == "running")
            self._said = ui.column().classes("grow")
            self._shown = frame.editor("", "Log").classes("log")
            self._shown.disable()

    async def look(self, run: Run) -> None:
        """Read what was written since."""
        self._said.clear()
        try:
            found = logs.text_lines(await frame.in_thread(lambda: logs.read_log(self._aws, run)))
        except REFUSALS as error:
            with self._said:
                frame.said(str(error), is_bad=True)
            return
        if not found:
            with self._said:
                ui.label("It has written nothing." if run.outcome != "running" else "Nothing is written yet.")
        if found == self._lines:
            return
        self._lines = found
        self._shown.value = "\n".join(found)
        place = logs.error_line(found) if run.outcome == "failed" else None
        self._to_error.set_visibility(place is not None)
        self._mark(logs.matches(found, self._wanted.value or ""))
        if place is not None:
            self._reveal_error()
        elif self._follow.value:
            self._shown.reveal_line(len(found))

    def _reveal_error(self) -> None:
        if (error := logs.error_line(self._lines)) is not None:
            self._shown.reveal_line(error + 1)

    def _find(self, step: int) -> None:
        found = logs.matches(self._lines, self._wanted.value or "")
        self._mark(found)
        if not found:
            self._count.text = "not found" if self._wanted.value else ""
            return
        self._place = (self._place + step) % len(found) if step else 0
        self._count.text = f"{self._place + 1} of {len(found)}"
        self._shown.reveal_line(found[self._place] + 1)

    def _mark(self, found: list[int]) -> None:
        error = logs.error_line(self._lines)
        marked = [{"kind": "line", "line": one + 1, "class": "found"} for one in found[:2000]]
        if error is not None:
            marked.append({"kind": "line", "line": error + 1, "class": "at-error"})
        self._shown.decorations = marked
