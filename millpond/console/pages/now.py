"""What runs, what is deployed, what ran last and what failed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from nicegui import ui

from millpond.console.pages import frame
from millpond.console.pages.frame import Console
from millpond.console.reads import running
from millpond.console.reads.runs import Run

FAILURES = 10
ON_LINE = 200
COUNT_SECONDS = 10.0


def register(console: Console) -> None:
    """Make the page ``/``."""

    @ui.page("/")
    def now() -> None:
        with frame.page(console, "Now", "/"):
            with ui.element("section"):
                frame.heading("What failed", 2)
                failed = _Failures(console)
            with ui.element("section"):
                frame.heading("The last runs", 2)
                line = _TimeLine(console)
            with ui.element("section"):
                frame.heading("What is deployed", 2)
                deployed = _Deployed(console)
            with ui.element("section"):
                frame.heading("What runs", 2)
                parts = _Parts(console)

        async def look() -> None:
            await asyncio.gather(*(block.look() for block in (parts, failed, line, deployed)))

        frame.every(frame.POLL_SECONDS, look)


class _Block:
    """A part of the page that is drawn anew when what it shows has changed."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._shown: Any = None
        self._place = ui.element("div").classes("grow")
        with self._place:
            ui.spinner().props('aria-label="reading"')

    async def look(self) -> None:
        """Ask, and draw what is new."""
        found = await frame.in_thread(self.ask)
        if self._place.is_deleted:
            # The page was closed meanwhile.
            return
        if self._shown is None or found != self._shown:
            self._shown = found
            self._place.clear()
            with self._place:
                self.draw(found)

    def ask(self) -> Any:
        """What there is to show; anything that can be compared."""
        raise NotImplementedError

    def draw(self, found: Any) -> None:
        """Show it."""
        raise NotImplementedError


class _Failures(_Block):
    def ask(self) -> Any:
        self.console.looks.get()
        failed = [run for run in self.console.book.runs() if run.outcome == "failed"]
        return failed[:FAILURES], len(failed), dict(self.console.book.refused)

    def draw(self, found: Any) -> None:
        failed, count, refused = found
        for kind, reason in refused.items():
            frame.said(f"Runs of kind {kind} cannot be read: {reason}")
        if not failed:
            ui.label("Nothing has failed." if len(self.console.book) else "Nothing has run yet.")
            return
        with frame.table("state", "what", "when", "reason", caption="What failed"):
            for run in failed:
                _failure(run)
        if count > len(failed):
            ui.link(f"all {count:,} that failed", "/runs?outcome=failed")


def _failure(run: Run) -> None:
    frame.row(
        lambda: frame.state(run.state, run.outcome),
        lambda: ui.link(f"{run.kind} {run.name}", run.link).classes("wrap"),
        frame.moment(run.started),
        lambda: ui.label(run.reason[:600] or "no reason given").classes("wrap"),
    )


class _TimeLine(_Block):
    def ask(self) -> Any:
        self.console.looks.get()
        return [run for run in self.console.book.runs() if run.started][:ON_LINE]

    def draw(self, found: Any) -> None:
        if not found:
            ui.label("Nothing has run yet.")
            return
        bars = placed(found, datetime.now(UTC))
        with ui.element("div").classes("line grow"):
            for run, left, width in bars:
                text = f"{run.kind} {run.name}: {run.state} {frame.duration(run.seconds)}"
                bar = ui.link("", run.link).style(
                    f"left: {left:.2f}%; width: {width:.2f}%; background: {frame.COLOURS[run.outcome]}"
                )
                bar.props["aria-label"] = text
                bar.props["title"] = text
        ui.label(f"{frame.moment(found[-1].started)} to now").classes("quiet")


def placed(runs: list[Run], now: datetime) -> list[tuple[Run, float, float]]:
    """Where each run is on a line from the first one's begin until now: left edge and width in percent."""
    begin = min(run.started for run in runs if run.started)
    whole = max((now - begin).total_seconds(), 1.0)
    found = []
    for run in runs:
        if run.started:
            end = now if run.seconds is None else run.started + timedelta(seconds=run.seconds)
            left = (run.started - begin).total_seconds() / whole * 100
            found.append((run, left, min((end - run.started).total_seconds() / whole * 100, 100 - left)))
    return found


# Where what is counted is shown.
_PLACES = {
    "jobs": "/runs?kind=job",
    "state-machines": "/runs?kind=execution",
    "functions": "/flow?text=function",
    "tables": "/lake",
    "buckets": "/lake",
}


class _Deployed(_Block):
    def ask(self) -> Any:
        aws = self.console.source.aws
        counted = self.console.remembered("counted", lambda: list(running.counted(aws)), COUNT_SECONDS)
        return counted.get() or []

    def draw(self, found: Any) -> None:
        with ui.element("div").classes("tiles"):
            for one in found:
                with ui.element("div").classes("tile"):
                    with ui.element("b"):
                        ui.label("unknown" if one.count is None else f"{one.count:,}")
                    if address := _PLACES.get(one.kind):
                        ui.link(one.kind.replace("-", " "), address)
                    else:
                        ui.label(one.kind.replace("-", " "))
        for one in found:
            if one.refused:
                frame.said(f"{one.kind}: {one.refused}")


class _Parts(_Block):
    def ask(self) -> Any:
        settings = self.console.source.settings
        if settings is None:
            return []
        found = self.console.remembered("parts", lambda: running.parts(settings))
        return found.get() or [], found.error

    def draw(self, found: Any) -> None:
        if not found:
            ui.label(f"{self.console.source.name}: what runs there is not this machine's to tell.")
            return
        parts, error = found
        if error:
            frame.said(error, is_bad=True)
        with frame.table("part", "state", "address", "memory", "since", "log", caption="What runs"):
            for part in parts:
                _part(part)


def _part(part: running.Part) -> None:
    since = datetime.fromtimestamp(part.since, UTC) if part.since else None
    word, outcome = ("running", "succeeded") if part.is_running else ("stopped", "failed")
    frame.row(
        part.name,
        lambda: ui.label(word).classes(f"state {outcome}"),
        part.address,
        frame.size(part.memory),
        frame.moment(since),
        part.log,
    )
