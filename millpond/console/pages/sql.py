"""Statements for Athena: an editor that knows the tables, results page by page, what was asked before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError
from fastapi.responses import Response
from nicegui import app, ui

from millpond.console.pages import frame
from millpond.console.pages.frame import Console
from millpond.console.reads import sql
from millpond.console.reads.runs import pages_of_workgroups

NAMES = "/data/names"
NAMES_SECONDS = 30.0
HISTORY = 50

# The editor completes what CodeMirror knows of SQL; databases, tables and columns are added to that.
_COMPLETION = """
window.millpondComplete = async (id) => {
  const CM = await import("nicegui-codemirror");
  const view = await getElement(id).editorPromise;
  const answer = await fetch("%s");
  if (!answer.ok) return;
  const names = await answer.json();
  const quoted = (name) => /^[a-z_][a-z0-9_]*$/.test(name) ? name : '"' + name.replaceAll('"', '""') + '"';
  const options = (found, type) =>
    found.map((name) => ({ label: name, apply: quoted(name), type, boost: 2 }));
  const source = (context) => {
    const word = context.matchBefore(/[\\p{L}\\p{N}_$".]+$/u);
    if (!word && !context.explicit) return null;
    const parts = (word ? word.text : "").replaceAll('"', "").split(".");
    const text = context.state.doc.toString();
    const tables = Object.values(names).flatMap((tables) => Object.entries(tables));
    let found;
    if (parts.length === 1) {
      const used = tables.filter(([table]) => text.includes(table)).flatMap(([, columns]) => columns);
      found = [
        ...options([...new Set(used)], "property"), ...options(tables.map(([table]) => table), "class"),
        ...options(Object.keys(names), "namespace"),
      ];
    } else {
      const outer = parts[parts.length - 2];
      const alias = [...text.matchAll(/([\\p{L}\\p{N}_$]+)"?\\s+(?:as\\s+)?([\\p{L}\\p{N}_$]+)/giu)]
        .filter(([, , short]) => short === outer).map(([, table]) => table);
      found = [
        ...options(Object.keys(names[outer] ?? {}), "class"),
        ...options(tables.filter(([table]) => table === outer || alias.includes(table))
          .flatMap(([, columns]) => columns), "property"),
      ];
    }
    const last = parts[parts.length - 1];
    return { from: context.pos - last.length, options: found, validFor: /^[\\p{L}\\p{N}_$]*$/u };
  };
  view.dispatch({ effects: CM.StateEffect.appendConfig.of(
    CM.EditorState.languageData.of(() => [{ autocomplete: source }])) });
};
"""
_STYLE = """
.editor { height: 240px; }
.wrong { text-decoration: underline wavy var(--failed) 2px; text-underline-offset: 4px; }
.result { border: 1px solid var(--edge); border-radius: 4px; padding: 10px 14px; }
"""


def register(console: Console) -> None:
    """Make the page ``/sql`` and the names behind its completion."""

    @app.get(NAMES)
    def names() -> Response:
        found = console.remembered("names", lambda: sql.names(console.source.aws), NAMES_SECONDS)
        return Response(json.dumps(found.get() or {}), media_type="application/json")

    @ui.page("/sql")
    async def page(id: str = "", text: str = "") -> None:  # noqa: A002 (the name in the address)
        ui.add_head_html(f"<script>{_COMPLETION % NAMES}</script>")
        ui.add_css(_STYLE)
        with frame.page(console, "SQL", "/sql"):
            await _Page(console).show(id, text)


@dataclass
class _Asked:
    """A statement that runs or has run, and where its result is shown."""

    statement: sql.Statement
    place: Any
    query_id: str = ""


class _Page:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._aws = console.source.aws
        self._running = ""
        self._is_stopped = False

    async def show(self, query_id: str, text: str) -> None:
        """Draw the page; with a query that has run, its statement and result."""
        try:
            groups = await frame.in_thread(lambda: sorted(pages_of_workgroups(self._aws)))
        except (ClientError, BotoCoreError) as error:
            frame.said(f"Athena cannot be asked: {error}", is_bad=True)
            return
        self._toolbar(groups)
        self._editor = frame.editor(text, "Statements", language="SQL", keymap={"Mod-Enter": self._run})
        self._editor.classes("editor").on_value_change(self._changed)
        self._values = ui.row().classes("grow")
        self._fields: list[Any] = []
        self._results = ui.column().classes("grow")
        for title, fill in (("Saved and prepared", self._saved), ("History", self._history)):
            with ui.expansion(title).classes("grow") as part:
                part.on_value_change(partial(fill, ui.column().classes("grow")))
        ui.timer(0, lambda: ui.run_javascript(f"millpondComplete({self._editor.id})"), once=True)
        if query_id:
            await self._show_old(query_id)

    def _toolbar(self, groups: Sequence[str]) -> None:
        with ui.row().classes("items-center grow"):
            self._workgroup = ui.select(
                list(groups), value=_usual(groups, "primary"), label="workgroup"
            ).style("min-width: 130px")
            self._database = ui.select(["default"], value="default", label="database", with_input=True)
            self._database.style("min-width: 180px")
            ui.timer(0, self._fill_databases, once=True)
            ui.space()
            self._stop = ui.button("Stop", icon="stop", on_click=self._end).props("outline")
            self._stop.set_visibility(False)
            plan = ui.button("Plan", icon="account_tree", on_click=lambda: self._run(prefix="EXPLAIN "))
            plan.props("outline")
            run = ui.button("Run", icon="play_arrow", on_click=self._run)
            with run:
                ui.tooltip("Ctrl-Enter")
        if self._console.source.is_read_only:
            plan.disable()
            run.disable()
            frame.said("This console only looks at this endpoint: it asks no queries there.")

    async def _fill_databases(self) -> None:
        found = self._console.remembered("names", lambda: sql.names(self._aws), NAMES_SECONDS)
        names = await frame.in_thread(found.get) or {}
        self._database.set_options(sorted({"default", *names}))

    def _changed(self) -> None:
        """Marks of errors are of another text now; each question mark wants a value."""
        self._unmark()
        wanted = sum(one.parameters for one in sql.split(self._editor.value or ""))
        if wanted == len(self._fields):
            return
        before = [field.value for field in self._fields]
        self._values.clear()
        with self._values:
            self._fields = [
                ui.input(f"value of ? {number + 1}", value=before[number] if number < len(before) else "")
                for number in range(wanted)
            ]

    def _unmark(self) -> None:
        # Whatever is sent to the editor can meet what is just being typed: only when there is something.
        if self._editor.decorations:
            self._editor.decorations = []

    async def _run(self, *_: object, prefix: str = "") -> None:
        if self._running or self._console.source.is_read_only:
            return
        self._unmark()
        self._results.clear()
        statements = sql.split(self._editor.value or "")
        if not statements:
            ui.notify("There is no statement.", type="warning")
            return
        values = [field.value or "" for field in self._fields]
        self._is_stopped = False
        for number, statement in enumerate(statements):
            with self._results:
                asked = _Asked(statement, ui.column().classes("result grow"))
            own, values = values[: statement.parameters], values[statement.parameters :]
            if not await self._ask(asked, prefix, own):
                if left := len(statements) - number - 1:
                    with self._results:
                        frame.said(f"{left} more behind it did not run.")
                return

    async def _ask(self, asked: _Asked, prefix: str, values: Sequence[str]) -> bool:
        """Run one statement to its end and show what came; whether it succeeded."""
        with asked.place:
            ui.label(_line(asked.statement.text)).classes("mono wrap")
            waiting = ui.label("running…").props("role=status")
        try:
            standing = await self._wait(asked, prefix + asked.statement.text, values)
        except (ClientError, BotoCoreError) as error:
            self._fail(asked, _words(error), len(prefix))
            return False
        finally:
            waiting.delete()
            self._running = ""
            self._stop.set_visibility(False)
        if standing.state != "SUCCEEDED":
            self._fail(asked, standing.reason or f"The query ended as {standing.state}.", len(prefix))
            return False
        with asked.place:
            await Result(self._aws, asked.query_id, standing).show()
        return True

    async def _wait(self, asked: _Asked, text: str, values: Sequence[str]) -> sql.Standing:
        asked.query_id = self._running = await frame.in_thread(
            lambda: sql.start(
                self._aws,
                text,
                database=self._database.value or "default",
                workgroup=self._workgroup.value,
                parameters=values,
            )
        )
        self._stop.set_visibility(True)
        ui.run_javascript(f"history.replaceState(null, '', '/sql?{urlencode({'id': asked.query_id})}')")
        pause = sql.FIRST_PAUSE
        while not (standing := await self._standing(asked.query_id)).has_ended:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, sql.LAST_PAUSE)
        return standing

    async def _standing(self, query_id: str) -> sql.Standing:
        return await frame.in_thread(lambda: sql.standing(self._aws, query_id))

    async def _end(self) -> None:
        if identity := self._running:
            await frame.in_thread(lambda: self._aws.athena.stop_query_execution(QueryExecutionId=identity))

    def _fail(self, asked: _Asked, reason: str, shift: int) -> None:
        """Say why, and mark the place that the reason names."""
        with asked.place:
            frame.said(reason, is_bad=True)
        text = self._editor.value or ""
        place = sql.error_place(text, asked.statement, reason, shift)
        if (
            place is None
            or text[asked.statement.begin :][: len(asked.statement.text)] != asked.statement.text
        ):
            return
        end = place + 1
        while end < len(text) and (text[end].isalnum() or text[end] in "_$"):
            end += 1
        self._editor.decorations = [{"kind": "mark", "from": place, "to": end, "class": "wrong"}]
        self._editor.reveal_line(text.count("\n", 0, place) + 1)

    async def _show_old(self, query_id: str) -> None:
        try:
            standing = await self._standing(query_id)
        except (ClientError, BotoCoreError) as error:
            frame.said(_words(error), is_bad=True)
            return
        self._editor.value = standing.text
        with self._results:
            asked = _Asked(sql.Statement(standing.text, 0), ui.column().classes("result grow"), query_id)
        if standing.state == "SUCCEEDED":
            with asked.place:
                await Result(self._aws, query_id, standing).show()
        else:
            self._fail(asked, standing.reason or f"The query is {standing.state}.", 0)

    async def _saved(self, place: Any, _event: object) -> None:
        place.clear()
        try:
            found = await frame.in_thread(lambda: sql.saved(self._aws, self._workgroup.value))
        except (ClientError, BotoCoreError) as error:
            with place:
                frame.said(_words(error), is_bad=True)
            return
        with place:
            if not found:
                ui.label(f"The workgroup {self._workgroup.value} keeps none.")
            for one in found:
                self._offer(f"{one.kind} {one.name}", one.text, one.about)

    async def _history(self, place: Any, _event: object) -> None:
        place.clear()
        await frame.in_thread(self._console.looks.get)
        queries = [run for run in self._console.book.runs() if run.kind == "query"][:HISTORY]
        with place:
            if not queries:
                ui.label("Nothing was asked yet.")
            for run in queries:
                self._offer(f"{frame.moment(run.started)} {run.state}", run.detail, run.reason)

    def _offer(self, title: str, text: str, about: str) -> None:
        with ui.row().classes("items-center no-wrap grow"):
            button = ui.button(icon="edit", on_click=lambda: self._take(text))
            button.props('flat round dense aria-label="Into the editor"')
            ui.label(title).classes("quiet").style("white-space: nowrap")
            ui.label(_line(text)).classes("mono wrap")
            ui.label(about[:200]).classes("quiet wrap")

    def _take(self, text: str) -> None:
        self._editor.value = text


def _usual(found: Sequence[str], wanted: str) -> str | None:
    return wanted if wanted in found else next(iter(found), None)


def _words(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response["Error"].get("Message") or error)
    return str(error)


def _line(text: str) -> str:
    whole = " ".join(text.split())
    return whole if len(whole) <= 160 else whole[:159] + "…"


class Result:
    """The result of a query, a page of it at a time.

    Parameters
    ----------
    aws : Aws
        Where it is.
    query_id : str
        Of its execution.
    standing : Standing
        Its end.
    """

    def __init__(self, aws: Any, query_id: str, standing: sql.Standing) -> None:
        self._aws = aws
        self._id = query_id
        self._standing = standing
        # What asks for each page that was seen, and for the next.
        self._tokens = [""]
        self._number = 0

    async def show(self) -> None:
        """Draw it."""
        told = self._standing
        with ui.row().classes("items-center grow"):
            cost = f", ${sql.price(told.scanned):.6f} on AWS" if told.scanned else ""
            ui.label(f"{told.seconds:.2f} s, {frame.size(told.scanned)} scanned{cost}").classes("quiet")
            if told.engine:
                ui.label(f"answered by {told.engine}").classes("quiet")
            ui.space()
            self._before = ui.button(icon="chevron_left", on_click=lambda: self._turn(-1))
            self._before.props('flat dense aria-label="Page before"')
            self._where = ui.label().props("role=status")
            self._after = ui.button(icon="chevron_right", on_click=lambda: self._turn(1))
            self._after.props('flat dense aria-label="Next page"')
        self._place = ui.column().classes("grow")
        await self._turn(0)

    async def _turn(self, step: int) -> None:
        number, is_select = self._number + step, self._standing.is_select
        token = self._tokens[number]
        try:
            page = await frame.in_thread(lambda: sql.rows(self._aws, self._id, token, is_select=is_select))
        except (ClientError, BotoCoreError) as error:
            with self._place:
                frame.said(_words(error), is_bad=True)
            return
        self._number = number
        if page.following and number + 1 == len(self._tokens):
            self._tokens.append(page.following)
        # The first page of a query has the names of the columns as a row of its own.
        begin = number * sql.PAGE_ROWS - (number > 0 and is_select)
        self._where.text = f"rows {begin + 1:,} to {begin + len(page.rows):,}" if page.rows else "no rows"
        self._before.set_enabled(number > 0)
        self._after.set_enabled(bool(page.following))
        self._place.clear()
        with self._place:
            if page.columns:
                frame.grid(page.columns, page.rows, label="Result", kinds=page.types)
                if page.rows and sql.numeric(page.types):
                    _chart(page)


def _chart(page: sql.Rows) -> None:
    """A chart of a page of a result, drawn when it is opened."""
    numbers = sql.numeric(page.types)
    names = dict(enumerate(page.columns))
    other = [place for place in names if place not in numbers]
    part = ui.expansion("Chart").classes("grow")
    with part:
        with ui.row().classes("items-center"):
            kind = ui.select(["bar", "line", "scatter"], value="bar", label="as")
            along = ui.select(names, value=(other or numbers)[0], label="along").style("min-width: 160px")
            shown = ui.select(
                {place: names[place] for place in numbers},
                value=[place for place in numbers if place != along.value][:1] or numbers[:1],
                label="values",
                multiple=True,
            ).style("min-width: 200px")
        place = ui.column().classes("grow")

    def draw() -> None:
        place.clear()
        if part.value and shown.value:
            with place:
                options = sql.chart_options(page.columns, page.rows, kind.value, along.value, shown.value)
                chart = ui.echart(options).style("height: 320px").classes("grow")
                chart.props('role=img aria-label="Chart; the table above says the same"')

    for one in (part, kind, along, shown):
        one.on_value_change(draw)
