"""The console beside a real engine: its door, and its pages as a user reads them."""

from __future__ import annotations

import asyncio
import http.client
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import pytest
from console_fixtures import BUCKET, HOSTILE, fill, opened_console
from engine_fixtures import RunningEngine
from nicegui import ui
from nicegui.testing.user_simulation import user_simulation

from millpond.console.source import Opening

SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
APP = Path(__file__).with_name("console_app.py")


@pytest.fixture(scope="module")
def pages(running_engine: RunningEngine) -> dict[str, str]:
    return fill(running_engine)


@pytest.fixture(scope="module")
def address(running_engine: RunningEngine, pages: dict[str, str]) -> Iterator[str]:
    with opened_console(running_engine) as printed:
        yield printed


def answer(address: str, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def test_the_console_opens_by_the_address_that_was_printed_and_refuses_everybody_else(address):
    parts = urlsplit(address)
    assert parts.hostname == "127.0.0.1"
    let_in = answer(address, f"/?{parts.query}", {})
    assert (let_in.status, let_in.getheader("Location")) == (303, "/")
    cookie = {"Cookie": str(let_in.getheader("Set-Cookie")).partition(";")[0]}
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    own = {"Origin": f"http://{parts.netloc}"}
    for headers, status in (
        ({}, 403),
        (cookie, 200),
        ({**cookie, "Host": "evil.example"}, 403),
        ({**cookie, "Origin": "http://evil.example"}, 403),
    ):
        assert answer(address, "/runs", headers).status == status, headers
        assert answer(address, "/data/runs", headers).status == status, headers
    for headers, status in (
        ({**upgrade, **cookie, **own}, 101),
        ({**upgrade, **own}, 403),
        ({**upgrade, **cookie, "Origin": "http://evil.example"}, 403),
        ({**upgrade, **cookie, "Host": "evil.example", "Origin": "http://evil.example"}, 403),
    ):
        assert answer(address, SOCKET, headers).status == status, headers


def simulated(
    running: RunningEngine,
    act: Callable[[Any], Awaitable[None]],
    target: Literal["local", "endpoint"] = "local",
) -> None:
    """Do what a user does on the pages."""
    settings = running.settings
    opening = Opening(0, "", target, settings.endpoint_url, settings.region)

    async def whole() -> None:
        async with user_simulation(main_file=APP) as user:
            await act(user)

    # The simulation removes the pages' modules at its end, with all packages that they are in.
    before = dict(sys.modules)
    with pytest.MonkeyPatch.context() as patched:
        environment = {
            "MILLPOND_GATEWAY_PORT": str(settings.gateway_port),
            "MILLPOND_STATE_DIR": str(settings.state),
            **opening.to_environment(),
        }
        for name, value in environment.items():
            patched.setenv(name, value)
        try:
            asyncio.run(whole())
        finally:
            sys.modules |= before


async def sees(user: Any, *texts: str) -> None:
    """Wait until each text is on the page."""
    for text in texts:
        await user.should_see(text, retries=300)


def test_a_user_finds_what_failed_its_reason_and_its_log_and_names_stay_text(running_engine, pages):
    async def act(user: Any) -> None:
        await user.open("/")
        await sees(
            user, "job broken", "KeyError", "nobody said which day", "COLUMN_NOT_FOUND", "tables", "engine"
        )
        await user.open(pages["job"])
        await sees(user, "FAILED", "--db_password", "••••••", "2026-05-01")
        await user.should_not_see("hunter2")
        log = next(iter(user.find(kind=ui.codemirror).elements))
        await until(lambda: "Traceback" in log.value)
        [error] = [mark["line"] for mark in log.decorations if mark["class"] == "at-error"]
        assert log.value.splitlines()[error - 1].startswith("Traceback")
        await user.open(pages["execution"])
        await sees(user, "look: succeeded", "give up: failed", "NoDay: nobody said which day")
        assert "<img" not in next(iter(user.find(kind=ui.mermaid).elements)).content
        await user.open(pages["query"])
        await sees(user, "COLUMN_NOT_FOUND", "open in the editor")

    simulated(running_engine, act)


def test_a_user_runs_statements_and_sees_values_and_the_place_of_an_error(running_engine, pages):
    async def act(user: Any) -> None:
        await user.open("/sql")
        await sees(user, "workgroup")
        editor = next(iter(user.find(kind=ui.codemirror).elements))
        editor.value = (
            "SELECT who FROM shop.orders WHERE id > ?;\nSELECT id,\n  nope FROM shop.orders;\nSELECT 1"
        )
        user.find("value of ? 1").type("2")
        user.find(kind=ui.button, content="Run").click()
        await sees(user, "answered by duckdb", "COLUMN_NOT_FOUND", "1 more behind it did not run.")
        [grid] = user.find(kind=ui.aggrid).elements
        assert [column["headerName"] for column in grid.options["columnDefs"]] == ["who"]
        assert grid.options["rowData"] == [{"c0": "<b>eve</b>"}]
        [mark] = editor.decorations
        assert editor.value[mark["from"] : mark["to"]] == "nope"

    simulated(running_engine, act)


def test_a_user_looks_at_a_table_its_rows_and_its_files_and_names_stay_text(running_engine, pages):
    async def act(user: Any) -> None:
        await user.open("/lake")
        await sees(user, "2 tables", BUCKET)
        [grid] = user.find(kind=ui.aggrid).elements
        assert {row["c1"] for row in grid.options["rowData"]} == {"orders", HOSTILE}
        await user.open(f"/table?{urlencode({'database': 'shop', 'name': HOSTILE})}")
        await sees(user, f"shop.{HOSTILE}")
        await user.open("/table?database=shop&name=orders")
        user.find("Profile").click()
        await sees(user, "3 rows; different values are an estimate")
        grids = {grid.props["aria-label"]: grid for grid in user.find(kind=ui.aggrid).elements}
        amount = grids["Profile"].options["rowData"][2]
        assert list(amount.values()) == ["amount", "double", "1", "2", "1.0", "9.5"]
        await user.open(f"/bucket?name={BUCKET}")
        [grid] = user.find(kind=ui.aggrid).elements
        assert {"orders/", "broken.py"} <= {row["c0"] for row in grid.options["rowData"]}
        await user.open(f"/object?bucket={BUCKET}&key=orders/1.csv")
        [grid] = user.find(kind=ui.aggrid).elements
        assert [row["c1"] for row in grid.options["rowData"]] == ["ada", "bob", "<b>eve</b>"]

    simulated(running_engine, act)


def test_beside_another_endpoint_nothing_can_be_changed(running_engine, pages):
    async def act(user: Any) -> None:
        await user.open(pages["job"])
        await sees(user, "KeyError", "only looks at this endpoint")
        await user.should_not_see("Run again")
        await user.open("/sql")
        await sees(user, "it asks no queries there")
        assert not any(
            button.enabled for button in user.find("Run").elements if isinstance(button, ui.button)
        )

    simulated(running_engine, act, "endpoint")


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.05)
