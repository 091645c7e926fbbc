"""Databases, tables and buckets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError
from nicegui import ui

from millpond.console.pages import frame
from millpond.console.pages.frame import Console
from millpond.console.pages.sql import Result
from millpond.console.reads import lake, sql


def register(console: Console) -> None:
    """Make the pages ``/lake``, ``/table``, ``/bucket`` and ``/object``."""

    @ui.page("/lake")
    async def all_of_it(text: str = "") -> None:
        with frame.page(console, "Lake", "/lake"):
            await _all(console, text)

    @ui.page("/table")
    async def table(database: str, name: str) -> None:
        with frame.page(console, f"{database}.{name}", "/lake"):
            await _Table(console, database, name).show()

    @ui.page("/bucket")
    async def bucket(name: str, prefix: str = "", token: str = "") -> None:
        with frame.page(console, f"s3://{name}/{prefix}", "/lake"):
            await _folder(console, name, prefix, token)

    @ui.page("/object")
    async def file(bucket: str, key: str) -> None:
        with frame.page(console, f"s3://{bucket}/{key}", "/lake"):
            await _file(console, bucket, key)


async def _asked[T](ask: Callable[[], T]) -> T | None:
    """What AWS answers; None where it refused, which is said on the page."""
    try:
        return await frame.in_thread(ask)
    except (ClientError, BotoCoreError, OSError, ValueError) as error:
        frame.said(str(error), is_bad=True)
        return None


def _bucket(name: str, prefix: str = "", token: str = "") -> str:
    asked = {"name": name, "prefix": prefix, **({"token": token} if token else {})}
    return f"/bucket?{urlencode(asked)}"


def _object(bucket: str, key: str) -> str:
    return f"/object?{urlencode({'bucket': bucket, 'key': key})}"


async def _all(console: Console, text: str) -> None:
    aws = console.source.aws
    tables = console.remembered("tables", lambda: lake.entries(aws), lake.SECONDS)
    found = await frame.in_thread(tables.get) or []
    with ui.element("section").classes("grow"):
        frame.heading(f"{len(found):,} tables", 2)
        if tables.error:
            frame.said(tables.error, is_bad=True)
        wanted = ui.input("database, table or location", value=text).props("clearable").classes("grow")
        rows = [(one.database, one.name, one.form, one.columns, one.location, one.link) for one in found]
        columns = ("database", "table", "format", "columns", "location")
        grid = frame.grid(columns, rows, label="Tables", links="table", height="420px")

        def choose() -> None:
            grid.run_grid_method("setGridOption", "quickFilterText", wanted.value or "")

        wanted.on_value_change(choose)
        if text:
            grid.on("gridReady", choose)
    with ui.element("section").classes("grow"):
        frame.heading("Buckets", 2)
        buckets = await _asked(lambda: aws.s3.list_buckets()["Buckets"])
        with frame.table("bucket", "since", caption="Buckets"):
            for one in buckets or []:
                name = one["Name"]
                frame.row(partial(ui.link, name, _bucket(name)), frame.moment(one["CreationDate"]))


class _Table:
    """The page of a table."""

    def __init__(self, console: Console, database: str, name: str) -> None:
        self._console = console
        self._aws = console.source.aws
        self._database, self._name = database, name
        self._places: dict[str, Any] = {}

    async def show(self) -> None:
        """Draw it."""
        found = await _asked(lambda: lake.read_table(self._aws, self._database, self._name))
        if found is None:
            return
        bucket, prefix = lake.bucket_and_key(found.location)
        with ui.row().classes("items-center"):
            ui.label(found.form).classes("state")
            if bucket:
                ui.link(found.location, _bucket(bucket, f"{prefix.rstrip('/')}/" if prefix else ""))
            ui.link(
                "ask it", f"/sql?{urlencode({'text': lake.sample_statement(self._database, self._name)})}"
            )
        with ui.tabs().classes("grow").props("align=left no-caps") as tabs:
            names = ["Columns", "Sample", "Profile", "Files", "History"]
            names += ["Snapshots"] if found.snapshots else []
            names += [f"Partitions ({len(found.partitions):,})"] if found.partition_keys else []
            made = {name: ui.tab(name) for name in names}
        with ui.tab_panels(tabs, value=made["Columns"]).classes("grow"):
            for name, tab in made.items():
                with ui.tab_panel(tab):
                    place = ui.column().classes("grow")
                self._fill(name, place, found)
        tabs.on_value_change(lambda event: self._late(event.value, found))

    def _fill(self, name: str, place: Any, found: lake.Table) -> None:
        """What is known already is drawn at once; what costs a question when its tab is opened."""
        self._places[name] = place
        with place:
            if name == "Columns":
                frame.grid(("column", "type", "comment"), found.columns, label="Columns")
                if found.parameters:
                    frame.heading("Parameters", 2)
                    frame.grid(("name", "value"), sorted(found.parameters.items()), label="Parameters")
            elif name == "History":
                _changes(found.changes)
            elif name == "Snapshots":
                self._snapshots(found.snapshots)
            elif name.startswith("Partitions"):
                columns = (*found.partition_keys, "location")
                frame.grid(columns, found.partitions, label="Partitions")

    async def _late(self, tab: Any, found: lake.Table) -> None:
        place = self._places.get(tab)
        if place is None or list(place):
            return
        with place:
            if tab == "Files":
                await self._files(found)
            elif tab == "Sample":
                await self._ask(lake.sample_statement(self._database, self._name))
            elif tab == "Profile":
                await self._profile(found)

    async def _files(self, found: lake.Table) -> None:
        files = await _asked(lambda: lake.files_of(self._aws, found.location))
        if files is None:
            return
        bucket = lake.bucket_and_key(found.location)[0]
        total = sum(length for _, length, _ in files)
        more = " and more" if len(files) == lake.MOST_FILES else ""
        ui.label(f"{len(files):,} files{more}, {frame.size(total)}")
        rows = [(key, length, frame.moment(when), _object(bucket, key)) for key, length, when in files]
        kinds = ("", "bigint", "")
        frame.grid(("key", "bytes", "modified"), rows, label="Files", links="key", kinds=kinds)

    def _differences(self, found: tuple[lake.Snapshot, ...]) -> None:
        """Choose two snapshots, and see the rows that one has and the other has not."""
        options = {one.id: f"{one.id}, {frame.moment(one.when)}, {one.operation}" for one in found}
        with ui.row().classes("items-center grow"):
            before = ui.select(options, value=found[1].id, label="from").style("min-width: 340px")
            after = ui.select(options, value=found[0].id, label="to").style("min-width: 340px")
            button = ui.button("Rows that differ", icon="difference").props("outline")
        place = ui.column().classes("grow")

        async def compare() -> None:
            place.clear()
            for title, one, other in (
                ("Rows added", before.value, after.value),
                ("Rows removed", after.value, before.value),
            ):
                with place:
                    frame.heading(title, 2)
                    await self._ask(lake.difference_statement(self._database, self._name, one, other))

        button.on_click(compare)

    def _snapshots(self, found: tuple[lake.Snapshot, ...]) -> None:
        if len(found) > 1:
            self._differences(found)
        columns = ("snapshot", "committed", "operation", "rows added", "removed", "in all", "files", "rows")
        with frame.table(*columns, caption="Snapshots"):
            for one in found:
                text = lake.sample_statement(self._database, self._name, one.id)
                frame.row(
                    str(one.id),
                    frame.moment(one.when),
                    one.operation,
                    one.added,
                    one.deleted,
                    one.total,
                    one.files,
                    partial(ui.link, "as of then", f"/sql?{urlencode({'text': text})}"),
                )

    async def _profile(self, found: lake.Table) -> None:
        if not found.columns:
            ui.label("It has no columns.")
            return
        text = lake.profile_statement(self._database, self._name, found.columns)
        if (standing := await self._answered(text)) is None:
            return
        page = await _asked(lambda: sql.rows(self._aws, standing[0]))
        if page is None or not page.rows:
            return
        count = int(page.rows[0][0] or 0)
        bound = f", the first {lake.PROFILE_ROWS:,} that were found" if count == lake.PROFILE_ROWS else ""
        ui.label(f"{count:,} rows{bound}; different values are an estimate")
        columns = ("column", "type", "nulls", "different", "least", "greatest")
        rows = lake.profile_rows(found.columns, page.rows[0])
        frame.grid(columns, rows, label="Profile", kinds=("", "", "bigint", "bigint", "", ""))

    async def _ask(self, text: str) -> None:
        if (answered := await self._answered(text)) is not None:
            await Result(self._aws, *answered).show()

    async def _answered(self, text: str) -> tuple[str, sql.Standing] | None:
        """A statement's id and its end, if it succeeded."""
        if self._console.source.is_read_only:
            frame.said("This console only looks at this endpoint: it asks no queries there.")
            return None
        waiting = ui.spinner().props('aria-label="asking"')
        try:
            answered = await _asked(partial(self._wait, text))
        finally:
            waiting.delete()
        if answered is not None and answered[1].state != "SUCCEEDED":
            frame.said(answered[1].reason, is_bad=True)
            return None
        return answered

    def _wait(self, text: str) -> tuple[str, sql.Standing]:
        query_id = sql.start(self._aws, text, database=self._database, workgroup="primary")
        return query_id, sql.wait(self._aws, query_id)


def _changes(found: tuple[lake.Change, ...]) -> None:
    with frame.table("version", "when", "what changed", caption="Versions"):
        for one in found:
            frame.row(one.version, frame.moment(one.when), "; ".join(one.what) or "no column")


async def _folder(console: Console, name: str, prefix: str, token: str) -> None:
    with ui.element("nav").props('aria-label="Folder"').classes("row items-center").style("gap: 4px"):
        ui.link(name, _bucket(name))
        parts = prefix.split("/")[:-1]
        for number, part in enumerate(parts):
            ui.label("/")
            ui.link(part or "(empty)", _bucket(name, "/".join(parts[: number + 1]) + "/"))
    found = await _asked(lambda: lake.read_folder(console.source.aws, name, prefix, token))
    if found is None:
        return
    rows: list[tuple[Any, ...]] = [
        (one.removeprefix(prefix), "", "", _bucket(name, one)) for one in found.folders
    ]
    rows += [
        (key.removeprefix(prefix) or key, length, frame.moment(when), _object(name, key))
        for key, length, when in found.files
    ]
    if not rows:
        ui.label("Nothing is here.")
        return
    frame.grid(("name", "bytes", "modified"), rows, label="Objects", links="name", kinds=("", "bigint", ""))
    if found.following:
        ui.link("the next thousand", _bucket(name, prefix, found.following))


async def _file(console: Console, bucket: str, key: str) -> None:
    folder = key.rpartition("/")[0]
    ui.link("its folder", _bucket(bucket, f"{folder}/" if folder else ""))
    found = await _asked(lambda: lake.preview(console.source.aws, bucket, key))
    if found is None:
        return
    if found.kind == "rows":
        ui.label(f"the first {len(found.rows):,} rows").classes("quiet")
        frame.grid(found.columns, found.rows, label="Rows", kinds=found.types, height="560px")
    elif found.kind == "text":
        frame.editor(found.text, "Content").style("height: 560px").disable()
    else:
        ui.label(found.text)
