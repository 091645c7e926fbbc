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

from millpond.errors import MillpondError

# A table of results is not squeezed into fewer columns than it needs when nobody watches.
MINIMUM_WIDTH = 110

out = Console(soft_wrap=True)
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


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table of results on stdout; cells may hold Rich markup."""
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table, width=max(out.width, MINIMUM_WIDTH))


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
