"""What is around every page: the way to the others, search, light and dark; and how values are shown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nicegui import ElementFilter, ui

from millpond.console.reads import search
from millpond.console.reads.running import Remembered
from millpond.console.reads.runs import Outcome, RunBook
from millpond.console.reads.stirring import Stirring
from millpond.console.source import Source

PAGES = (
    ("Now", "/"),
    ("Flow", "/flow"),
    ("Runs", "/runs"),
    ("SQL", "/sql"),
    ("Lake", "/lake"),
    ("Roles", "/roles"),
)
# Nothing is asked more often, whatever happens.
POLL_SECONDS = 2.0
THINGS_SECONDS = 15.0
DARK_COOKIE = "millpond_dark"

COLOURS: dict[Outcome, str] = {
    "running": "var(--running)",
    "succeeded": "var(--succeeded)",
    "failed": "var(--failed)",
    "stopped": "var(--stopped)",
}

STYLE = """
:root { --running: #1259b8; --succeeded: #17692f; --failed: #b3161b; --stopped: #6a4a00; --edge: #d4d8dd;
  --soft: #f5f6f8; --quiet: #545b64; }
body { --q-primary: #1259b8 !important; --q-negative: #b3161b !important; }
body.body--dark { --running: #7db4ff; --succeeded: #6fcf86; --failed: #ff8f8a; --stopped: #e0b64f;
  --edge: #3a4048; --soft: #1c2025; --quiet: #a9b1bb;
  --q-primary: #7db4ff !important; --q-negative: #ff8f8a !important; }
body.body--dark .bg-primary { color: #10141a !important; }
body { font-size: 14px; line-height: 1.45; }
.nicegui-content { padding: 16px 24px; gap: 20px; max-width: 1700px; margin: 0 auto; align-items: stretch; }
h1 { font-size: 22px; line-height: 1.2; font-weight: 600; margin: 0; }
h2 { font-size: 16px; line-height: 1.3; font-weight: 600; margin: 0 0 6px 0; }
a { color: var(--running); text-decoration: none; } a:hover, a:focus { text-decoration: underline; }
header a { color: #fff; padding: 6px 10px; border-radius: 4px; }
header a[aria-current=page] { background: rgba(0, 0, 0, .28); }
.head { background: #123d74; gap: 4px; padding: 4px 24px; }
.quiet { color: var(--quiet); } .mono { font-family: ui-monospace, monospace; font-size: 13px; }
.state { font-weight: 600; white-space: nowrap; } .wrap { overflow-wrap: anywhere; }
.running { color: var(--running); } .succeeded { color: var(--succeeded); }
.failed { color: var(--failed); } .stopped { color: var(--stopped); }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; }
.tile { border: 1px solid var(--edge); border-radius: 6px; padding: 10px 16px; min-width: 130px; }
.tile b { display: block; font-size: 22px; }
.plain { border-collapse: collapse; width: 100%; } .plain th { text-align: left; font-weight: 600; }
.plain th, .plain td { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--edge); vertical-align: top; }
.line { position: relative; height: 34px; background: var(--soft); border: 1px solid var(--edge); }
.line a { position: absolute; top: 4px; bottom: 4px; min-width: 5px; border-radius: 2px; }
.said { background: var(--soft); border-left: 3px solid var(--stopped); padding: 8px 12px; }
.bad { border-left-color: var(--failed); }
.grow { width: 100%; } .edge { border: 1px solid var(--edge); }
.laid-out { white-space: pre-wrap; background: var(--soft); padding: 8px 12px; width: 100%; }
.cm-gutterElement { color: var(--quiet); }
.q-tooltip { background: #222; color: #fff; }
body.body--dark .q-btn.bg-primary .q-btn__content { color: #10141a !important; }
"""


@dataclass
class Console:
    """What all pages share: one look at everything for however many of them are open.

    Parameters
    ----------
    source : Source
        Where it reads.
    """

    source: Source
    book: RunBook = field(init=False)
    looks: Remembered[int] = field(init=False)
    shared: dict[str, Remembered[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.book = RunBook(self.source.aws)
        self.stirring = Stirring(self.source.aws.endpoint_url)
        self.looks = Remembered(self._look, POLL_SECONDS)

    def _look(self) -> int:
        if self.stirring.has_stirred():
            self.book.refresh()
        return self.book.version

    def remembered(self, name: str, ask: Callable[[], Any], seconds: float = POLL_SECONDS) -> Remembered[Any]:
        """An answer that all pages share."""
        return self.shared.setdefault(name, Remembered(ask, seconds))


async def in_thread[T](ask: Callable[[], T]) -> T:
    """Ask AWS without keeping the pages waiting."""
    # Not by NiceGUI's own way, which answers None when the console is being ended.
    return await asyncio.to_thread(ask)


@contextmanager
def page(console: Console, title: str, current: str = "") -> Iterator[None]:
    """The frame of a page; what is made in the block is its content.

    Parameters
    ----------
    console : Console
        What the pages share.
    title : str
        Of the page, for its head and the browser's.
    current : str
        The address in :data:`PAGES` that it belongs to.
    """
    ui.page_title(f"{title} · Millpond")
    ui.add_css(STYLE)
    given = ui.context.client.request.cookies.get(DARK_COOKIE)
    dark = ui.dark_mode(None if given is None else given == "1")
    with ui.header(elevated=False).classes("head items-center").props("role=banner"):
        with ui.element("nav").props('aria-label="Pages"').classes("row items-center"):
            for name, address in PAGES:
                link = ui.link(name, address)
                if address == current:
                    link.props("aria-current=page")
        ui.space()
        ui.label(console.source.name + (" · read only" if console.source.is_read_only else ""))
        _search(console)
        _dark_button(dark)
    with ui.element("main").classes("column no-wrap grow").style("gap: 20px"):
        heading(title)
        yield


_KEYS = """
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, [contenteditable=true]");
  if ((event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing)) {
    event.preventDefault();
    document.getElementById("search").click();
  }
});
"""


def _search(console: Console) -> None:
    """Everything by its name, from the keyboard: Ctrl-K or a slash, words, Enter."""
    ui.add_head_html(f"<script>{_KEYS}</script>")
    things = console.remembered("things", lambda: search.things(console.source.aws), THINGS_SECONDS)
    with ui.dialog().props("position=top") as dialog, ui.card().style("width: 640px; max-width: 90vw"):
        wanted = ui.input("job, state machine, table or bucket").props("autofocus clearable").classes("grow")
        place = ui.column().classes("grow").style("gap: 4px").props("role=status")

    async def look() -> None:
        all_of_them = await in_thread(things.get) or []
        shown = search.found(all_of_them, wanted.value or "")
        place.clear()
        with place:
            for one in shown:
                ui.link(f"{one.kind} {one.name}", one.link).classes("wrap")
            if wanted.value and not shown:
                ui.label("nothing has this name")

    async def enter() -> None:
        all_of_them = await in_thread(things.get) or []
        if shown := search.found(all_of_them, wanted.value or ""):
            ui.navigate.to(shown[0].link)

    wanted.on_value_change(look)
    wanted.on("keydown.enter", enter)
    ui.button("Search", icon="search", on_click=dialog.open).props(
        'flat dense no-caps color=white id=search aria-keyshortcuts="Control+K"'
    )


def _dark_button(dark: Any) -> None:
    def switch() -> None:
        dark.value = not dark.value
        for one in ElementFilter(kind=ui.codemirror):
            one.theme = _DARK if dark.value else _LIGHT
        kept = f"{DARK_COOKIE}={int(dark.value)}; path=/; max-age=31536000; samesite=strict"
        ui.run_javascript(f"document.cookie = '{kept}'")

    button = ui.button(icon="contrast", on_click=switch).props(
        'flat round dense color=white aria-label="Light or dark"'
    )
    with button:
        ui.tooltip("Light or dark")


_EDITOR = """(async () => {
  const view = await getElement(%d).editorPromise;
  view.contentDOM.setAttribute("aria-label", %s);
  view.scrollDOM.tabIndex = 0;
})()"""
_LIGHT, _DARK = "vscodeLight", "vscodeDark"


def editor(text: str, label: str, **options: Any) -> Any:
    """Text to write, or to read where it is disabled: only the lines that are seen are drawn.

    Parameters
    ----------
    text : str
        What is in it.
    label : str
        What a screen reader calls it.
    **options
        Of NiceGUI's ``codemirror``.
    """
    is_dark = ui.context.client.request.cookies.get(DARK_COOKIE) == "1"
    made = ui.codemirror(text, line_wrapping=True, theme=_DARK if is_dark else _LIGHT, **options)
    ui.timer(0, lambda: ui.run_javascript(_EDITOR % (made.id, json.dumps(label))), once=True)
    return made.classes("grow edge")


def text(content: str) -> None:
    """Text as it is laid out."""
    ui.label(content).classes("mono wrap laid-out")


def heading(text: str, level: int = 1) -> Any:
    """A heading that screen readers know as one."""
    with ui.element(f"h{level}") as element:
        ui.label(text).classes("wrap")
    return element


def state(word: str, outcome: Outcome) -> None:
    """A state in the colour of its outcome; the word says it too."""
    ui.label(word).classes(f"state {outcome}")


def said(text: str, *, is_bad: bool = False) -> None:
    """Something that a service said, or that is not as one would expect."""
    ui.label(text).classes("said wrap" + (" bad" if is_bad else "")).props("role=status")


@contextmanager
def table(*columns: str, caption: str) -> Iterator[None]:
    """A plain table; each row is a :func:`row` in the block."""
    with ui.element("table").classes("plain").props(f'aria-label="{caption}"'):
        with ui.element("thead"), ui.element("tr"):
            for column in columns:
                with ui.element("th").props("scope=col"):
                    ui.label(column)
        with ui.element("tbody"):
            yield


def row(*cells: str | Callable[[], object]) -> None:
    """A row of a plain table: texts, or what makes the content of a cell."""
    with ui.element("tr"):
        for cell in cells:
            with ui.element("td"):
                if callable(cell):
                    cell()
                else:
                    ui.label(cell).classes("wrap")


_CELL = "params => params.value == null ? 'NULL' : String(params.value)"
_CLASS = "params => params.value == null ? 'quiet' : ''"
_NUMBER = "params => ['ag-right-aligned-cell', params.value == null ? 'quiet' : '']"
_NUMBERS = ("tinyint", "smallint", "int", "integer", "bigint", "float", "double", "decimal", "real")


def grid(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    label: str,
    kinds: Sequence[str] = (),
    height: str = "",
    links: str = "",
) -> Any:
    """A grid that draws only the rows that are seen; its cells are text.

    Parameters
    ----------
    columns : sequence of str
        What stands above them.
    rows : sequence of sequence
        Of texts and numbers; None is NULL.
    label : str
        What a screen reader calls it.
    kinds : sequence of str
        Types of the columns, in Athena's words: numbers are sorted as such.
    height : str
        Of the whole, as CSS has it; as high as the rows are, up to a bound, unless given.
    links : str
        The column whose texts are links, to the address in the last cell of a row, which is not shown.
    """
    definitions: list[dict[str, Any]] = []
    for number, column in enumerate(columns):
        kind = kinds[number] if number < len(kinds) else ""
        one: dict[str, Any] = {
            "field": f"c{number}",
            "headerName": column,
            "headerTooltip": kind,
            ":valueFormatter": _CELL,
            ":cellClass": _CLASS,
            "cellDataType": False,
        }
        if kind.partition("(")[0] in _NUMBERS:
            one |= {
                "type": "rightAligned",
                ":cellClass": _NUMBER,
                ":comparator": "(a, b) => Number(a) - Number(b)",
            }
        if column == links:
            one[":cellRenderer"] = _LINK
        definitions.append(one)
    found = ui.aggrid(
        {
            "columnDefs": definitions,
            "defaultColDef": {"sortable": True, "resizable": True, "filter": True, "minWidth": 90},
            "rowData": [{f"c{number}": value for number, value in enumerate(row)} for row in rows],
            "rowHeight": 32,
            "headerHeight": 36,
            "tooltipShowDelay": 400,
            "enableCellTextSelection": True,
            "context": {"link": f"c{len(columns)}"},
            **({":onCellKeyDown": _ENTER} if links else {}),
        },
        auto_size_columns=len(columns) <= 12,
    )
    found.style(f"height: {height or f'{min(460, 60 + 32 * max(len(rows), 2))}px'}").classes("grow")
    return found.props(f'aria-label="{label}"')


_LINK = """params => { const a = document.createElement("a"); a.href = params.data[params.context.link];
    a.textContent = params.value; a.tabIndex = -1; return a; }"""
_ENTER = """event => { if (event.event.key === "Enter" && event.data)
    location.href = event.data[event.context.link]; }"""


def every(seconds: float, act: Callable[[], Awaitable[None]]) -> None:
    """Do something at once and then again and again while the page is open, never twice at a time."""
    lock = asyncio.Lock()

    async def once() -> None:
        if not lock.locked():
            async with lock:
                await act()

    ui.timer(max(seconds, POLL_SECONDS), once)


def size(count: float | None) -> str:
    """``3.4 MiB``; nothing for None.

    >>> size(3_565_158)
    '3.4 MiB'
    """
    if count is None:
        return ""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"


def duration(seconds: float | None) -> str:
    """``4.2 s``, ``2 min 05 s``, ``3 h 07 min``; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def moment(when: datetime | None) -> str:
    """A moment in this machine's own time."""
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S}" if when else ""
