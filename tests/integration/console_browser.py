"""What a person does with the console in a real browser; prints as JSON what came of it.

Runs in the environment of ``requirements/console-tests.txt``, with Chromium from the system. Its one argument
is JSON: ``address``, ``pages`` by name, and ``pictures``, a directory for them or nothing.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, sync_playwright

SERIOUS = ("serious", "critical")
# What is on a page when all of it is there.
SETTLED = {
    "now": "text=buckets",
    "flow": ".flow g.node",
    "roles": ".ag-row",
    "runs": ".ag-row >> nth=2",
    "job": ".at-error",
    "execution": "svg >> text=give up",
    "sql": ".cm-content",
    "lake": ".ag-row >> nth=1",
    "table": ".ag-row >> nth=1",
    "bucket": ".ag-row >> nth=1",
}


def opened(context: BrowserContext, told: dict, url: str, name: str = "") -> Page:
    page = context.new_page()
    own = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    page.on("dialog", lambda one: (told["dialogs"].append(one.message), one.dismiss()))
    page.on("pageerror", lambda one: told["errors"].append(str(one)))
    page.on("console", lambda one: told["errors"].append(one.text) if one.type == "error" else None)
    page.on(
        "request",
        lambda one: None if one.url.startswith((own, "data:", "blob:")) else told["outside"].append(one.url),
    )
    page.goto(url)
    if name in SETTLED:
        page.wait_for_selector(SETTLED[name], timeout=60_000)
    return page


def findings(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in found
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


def looked_at(context: BrowserContext, told: dict, base: str, asked: dict) -> None:
    for name, path in asked["pages"].items():
        begun = time.monotonic()
        page = opened(context, told, base + path, name)
        told["seconds"][name] = round(time.monotonic() - begun, 2)
        for shade in ("light", "dark"):
            if found := findings(page):
                told["axe"][f"{name}, {shade}"] = found
            if asked["pictures"] and shade == "light":
                page.screenshot(path=Path(asked["pictures"], f"{name}.png"))
            page.get_by_role("button", name="Light or dark").click()
            page.wait_for_timeout(400)
        page.close()


def by_keyboard(context: BrowserContext, told: dict, base: str) -> None:
    page = opened(context, told, base + "/", "now")
    page.keyboard.press("Control+k")
    page.wait_for_selector("input:focus")
    page.keyboard.type("shop.orders")
    page.wait_for_selector("text=table shop.orders")
    page.keyboard.press("Enter")
    page.wait_for_url("**/table?**")
    told["searched"] = page.url.partition("?")[2]
    page.goto(base + "/sql")
    page.locator(".cm-content").click()
    page.wait_for_timeout(1500)
    page.keyboard.type("SELECT who FROM shop.ord")
    page.wait_for_selector(".cm-tooltip-autocomplete >> text=orders")
    told["completed"] = page.locator(".cm-tooltip-autocomplete li").first.inner_text()
    page.keyboard.press("Enter")
    page.keyboard.type(" WHERE id = 3")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("text=answered by", timeout=60_000)
    page.wait_for_selector(".ag-row .ag-cell")
    told["answered"] = page.locator(".ag-row .ag-cell").all_inner_texts()
    page.close()


def follows(context: BrowserContext, told: dict, url: str) -> None:
    """From a run to its way, which alone is lit; a click leads to the runs of the job."""
    page = opened(context, told, url, "job")
    page.get_by_role("link", name="what it read and wrote").click()
    page.wait_for_selector(".flow path.lit", state="attached")
    told["lit"] = page.locator(".flow path.lit").count()
    told["dim"] = page.locator(".flow path.dim").count()
    page.locator(".flow g.node").filter(has_text="job: broken").click()
    page.wait_for_url("**/runs?**")
    told["followed"] = page.url.partition("?")[2]
    page.close()


def again(context: BrowserContext, told: dict, url: str) -> None:
    """A failed job is run again with another argument, and its new log is there."""
    page = opened(context, told, url, "job")
    before = page.url
    page.get_by_role("button", name="Run again").click()
    page.get_by_label("--day").fill("2026-05-02")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(lambda there: there != before, timeout=30_000)
    page.wait_for_selector(".at-error", timeout=60_000)
    told["again"] = page.get_by_role("table", name="Arguments").inner_text()
    page.close()


def main(asked: dict) -> dict:
    told: dict = {"dialogs": [], "errors": [], "outside": [], "axe": {}, "seconds": {}}
    base = "{0.scheme}://{0.netloc}".format(urlsplit(asked["address"]))
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=asked["chromium"], args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
        context.set_default_timeout(30_000)
        opened(context, told, asked["address"], "now").close()
        by_keyboard(context, told, base)
        again(context, told, base + asked["pages"]["job"])
        follows(context, told, base + asked["pages"]["job"])
        looked_at(context, told, base, asked)
        browser.close()
    return told


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(sys.argv[1]))))
