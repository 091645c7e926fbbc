"""How Millpond speaks: progress on stderr, results on stdout."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from millpond.base.errors import MillpondError
from millpond.client.logs import LogLine

out = Console(soft_wrap=True)
if not out.is_terminal:
    # Into a file or a pipe a table goes in full; a terminal has the width it has.
    out = Console(soft_wrap=True, width=160)
err = Console(stderr=True, soft_wrap=True)


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """One long piece of work: a spinner while it runs, a line with its duration when it is done.

    Yields
    ------
    callable
        Call it with a line that says what is going on right now.
    """
    started = time.monotonic()
    with err.status(title) as status:
        try:
            yield lambda text: status.update(f"{title}: {escape(text)}")
        except BaseException:
            err.print(f"[red]✗[/red] {title} [dim]{duration(time.monotonic() - started)}[/dim]")
            raise
    err.print(f"[green]✓[/green] {title} [dim]{duration(time.monotonic() - started)}[/dim]")


def duration(seconds: float) -> str:
    """``4.2 s`` below a minute, ``2 min 05 s`` above."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def note(text: str) -> None:
    """A line of progress that stays on the screen."""
    err.print(f"  [dim]{escape(text)}[/dim]")


def log_line(line: LogLine) -> None:
    """Show a line of a log; errors in red."""
    out.print(line.message, style="red" if line.source == "error" else "", markup=False, highlight=False)


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None) -> None:
    """A table of results on stdout; cells may hold Rich markup, numbers stand on the right."""
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    for number, column in enumerate(columns):
        cells = [row[number] for row in rows if row[number]]
        is_number = bool(cells) and all(cell.replace(",", "").isdigit() for cell in cells)
        table.add_column(column, overflow="fold", justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*row)
    out.print(table)


def show_json(content: Mapping[str, object] | Sequence[object]) -> None:
    """A result for a script."""
    out.print_json(json.dumps(content, default=str))


def show_error(error: MillpondError) -> None:
    """What was wrong, where, and what to type next."""
    err.print(f"[bold red]error:[/bold red] {escape(error.what)}")
    if error.where:
        err.print(f"  where: {escape(error.where)}")
    if error.next_step:
        err.print(f"  next:  {escape(error.next_step)}")
    if error.detail:
        err.print(f"[dim]{escape(error.detail)}[/dim]")
