"""Who may do what: denials as they happen, and what each role used and did not."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError
from nicegui import ui

from millpond.base.config import Settings
from millpond.console.pages import frame
from millpond.console.pages.frame import Console
from millpond.console.reads import roles
from millpond.console.reads.flow import at

MOST_DENIALS = 500


def register(console: Console) -> None:
    """Make the pages ``/roles`` and ``/principal``."""

    @ui.page("/roles")
    async def everyone() -> None:
        with frame.page(console, "Roles", "/roles"):
            if console.source.settings is None:
                frame.said("What was judged is told by the stack of this project only.")
                return
            await _Everyone(console, console.source.settings).show()

    @ui.page("/principal")
    async def one(arn: str) -> None:
        with frame.page(console, arn, "/roles"):
            if console.source.settings is None:
                frame.said("What was judged is told by the stack of this project only.")
                return
            await _principal(console, console.source.settings, arn)


def _judged(console: Console, settings: Settings) -> Any:
    return console.remembered("judged", lambda: roles.read(settings))


class _Everyone:
    """The page of all of them."""

    def __init__(self, console: Console, settings: Settings) -> None:
        self._judged = _judged(console, settings)
        self._shown: tuple[object, object] | None = None

    async def show(self) -> None:
        """Draw it, and keep it up to date."""
        self._mode = ui.label().classes("quiet").props("role=status")
        self._said = ui.column().classes("grow")
        self._denied = ui.element("section").classes("grow")
        self._used = ui.element("section").classes("grow")
        frame.every(frame.POLL_SECONDS, self._look)

    async def _look(self) -> None:
        found: roles.Judged | None = await frame.in_thread(self._judged.get)
        self._said.clear()
        if found is None:
            with self._said:
                frame.said(self._judged.error, is_bad=True)
            return
        denials, principals = found.denials(), found.principals()
        self._mode.text = _MODES[found.mode]
        told = [(one.principal, one.action, one.resource, one.count) for one in denials]
        if self._shown == (told, principals):
            return
        self._shown = told, principals
        self._denied.clear()
        with self._denied:
            frame.heading(f"{len(denials):,} denied", 2)
            if denials:
                rows = [
                    (
                        at(one.last),
                        one.principal,
                        one.action,
                        one.resource,
                        one.count,
                        roles.remedy(one),
                        one.text,
                        _link(one.principal),
                    )
                    for one in denials[:MOST_DENIALS]
                ]
                columns = ("last", "principal", "action", "resource", "times", "statement to add", "denial")
                frame.grid(columns, rows, label="Denials", links="principal")
        self._used.clear()
        with self._used:
            frame.heading(f"{len(principals):,} principals", 2)
            lines = [(name, used, denied, at(last), _link(name)) for name, used, denied, last in principals]
            frame.grid(
                ("principal", "permissions", "denied", "last"),
                lines,
                label="Principals",
                kinds=("", "int", "int", ""),
                links="principal",
            )


_MODES = {
    "off": "Nothing is judged: millpond iam mode audit",
    "audit": "What is denied is done all the same, and kept here (audit).",
    "enforce": "What is denied is refused (enforce).",
}


def _link(principal: str) -> str:
    return f"/principal?{urlencode({'arn': principal})}"


async def _principal(console: Console, settings: Settings, arn: str) -> None:
    remembered = _judged(console, settings)
    found: roles.Judged | None = await frame.in_thread(remembered.get)
    if found is None:
        frame.said(remembered.error, is_bad=True)
        return
    judged = found.of(arn)
    if not judged:
        frame.said("It has not done anything yet.")
    with ui.element("section").classes("grow"):
        frame.heading("Used", 2)
        rows = [
            (one.action, one.resource, one.count, at(one.last), "allowed" if one.is_allowed else "denied")
            for one in judged
        ]
        columns = ("action", "resource", "times", "last", "answer")
        frame.grid(columns, rows, label="Used", kinds=("", "", "int", "", ""))
    if not (role := roles.role_name(arn)):
        return
    with ui.element("section").classes("grow"):
        frame.heading("Granted and never used", 2)
        try:
            lines = await frame.in_thread(lambda: roles.never_used(console.source.aws, role, judged))
        except (ClientError, BotoCoreError) as error:
            frame.said(str(error), is_bad=True)
            return
        if lines:
            frame.grid(("statement", "action"), lines, label="Granted and never used")
        else:
            ui.label("Nothing.")
    if judged:
        with ui.element("section").classes("grow"):
            frame.heading("The smallest policy for what it did", 2)
            frame.text(roles.policy(judged))
