"""The console beside a real engine: its door, and its pages as a user reads them."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

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
        links = {link.text: link.props["href"] for link in user.find(kind=ui.link).elements}
        assert (links["jobs"], links["tables"]) == ("/runs?kind=job", "/lake")
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


def test_a_user_draws_a_chart_of_a_result_and_lets_an_execution_go_on(running_engine, pages):
    states = running_engine.client("stepfunctions")
    execution = parse_qs(urlsplit(pages["execution"]).query)["id"][0]

    async def act(user: Any) -> None:
        text = "SELECT who, amount FROM shop.orders ORDER BY id"
        await user.open(f"/sql?{urlencode({'text': text})}")
        await sees(user, "workgroup")
        user.find(kind=ui.button, content="Run").click()
        await sees(user, "answered by duckdb", "Chart")
        with user:
            next(iter(user.find(kind=ui.expansion, content="Chart").elements)).open()
        await until(lambda: bool(charts(user)))
        [chart] = charts(user)
        assert chart.options["xAxis"]["data"] == ["ada", "bob", "<b>eve</b>"]
        assert [one["data"] for one in chart.options["series"]] == [[9.5, None, 1.0]]
        await user.open(pages["execution"])
        await sees(user, "Redrive")
        user.find(kind=ui.button, content="Redrive").click()
        await until(lambda: states.describe_execution(executionArn=execution)["redriveCount"] == 1)

    simulated(running_engine, act)


def charts(user: Any) -> list[Any]:
    return [one for one in user.client.elements.values() if isinstance(one, ui.echart)]


def test_a_user_looks_at_a_table_its_rows_and_its_files_and_names_stay_text(running_engine, pages):
    async def act(user: Any) -> None:
        await user.open("/lake")
        await sees(user, "3 tables", BUCKET)
        [grid] = user.find(kind=ui.aggrid).elements
        assert {row["c1"] for row in grid.options["rowData"]} == {"orders", "sums", HOSTILE}
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


def test_a_user_sees_what_a_run_wrote_and_what_a_query_read_and_the_way_of_a_run_alone(running_engine, pages):
    async def act(user: Any) -> None:
        # Other tests of the stack leave more things than a picture has room for.
        await user.open("/flow?text=broken")
        await sees(user, "ways between them")
        content = next(iter(user.find(kind=ui.mermaid).elements)).content
        assert "job: broken" in content
        assert f"folder: {BUCKET}/out/" in content
        assert ("broken", "writes", f"{BUCKET}/out/") in ways(user)
        await user.open("/flow?text=shop.orders")
        await sees(user, "ways between them")
        assert ("shop.orders", "is read by", "primary") in ways(user)
        await user.open(pages["job"])
        user.find("what it read and wrote").click()
        await sees(user, "ways between them")
        assert ways(user) == {
            (f"{BUCKET}/", "is read by", "broken"),
            ("broken", "writes", f"{BUCKET}/out/"),
        }

    simulated(running_engine, act)


def test_a_user_sees_the_rows_that_two_snapshots_of_a_table_do_not_share(running_engine, pages):
    async def act(user: Any) -> None:
        await user.open("/table?database=shop&name=sums")
        user.find("Snapshots").click()
        user.find("Rows that differ").click()
        await sees(user, "Rows added", "Rows removed")
        await until(lambda: len(results(user)) == 2)
        assert results(user) == [[["2", "21"]], [["2", "20"]]]

    simulated(running_engine, act)


def results(user: Any) -> list[list[list[Any]]]:
    grids = [one for one in user.find(kind=ui.aggrid).elements if one.props["aria-label"] == "Result"]
    return [
        [list(row.values()) for row in grid.options["rowData"]]
        for grid in sorted(grids, key=lambda one: one.id)
    ]


def test_a_user_sees_what_was_denied_with_the_statement_to_add_and_what_a_role_never_used(
    running_engine, pages
):
    running_engine.client("iam").put_role_policy(
        RoleName="tester",
        PolicyName="more",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {"Sid": "Idle", "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"},
            }
        ),
    )

    async def act(user: Any) -> None:
        await user.open("/roles")
        await sees(user, "is done all the same")
        await sees(user, "principals")
        [denials] = (
            one for one in user.find(kind=ui.aggrid).elements if "Denials" in one.props["aria-label"]
        )
        resource = f"arn:aws:s3:::{BUCKET}/out/day=1/a.txt"
        [denied] = (row for row in denials.options["rowData"] if row["c3"] == resource)
        assert json.loads(denied["c5"]) == {"Effect": "Allow", "Action": "s3:PutObject", "Resource": resource}
        await user.open(denied["c7"])
        await sees(user, "Granted and never used", "s3:PutObject")
        grids = {grid.props["aria-label"]: grid for grid in user.find(kind=ui.aggrid).elements}
        unused = grids["Granted and never used"].options["rowData"]
        assert [list(row.values())[:2] for row in unused] == [["Idle", "sqs:sendmessage"]]

    simulated(running_engine, act)


def ways(user: Any) -> set[tuple[str, str, str]]:
    [grid] = user.find(kind=ui.aggrid).elements
    return {(row["c1"], row["c2"], row["c4"]) for row in grid.options["rowData"]}


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
