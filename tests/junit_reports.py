"""What the report of another project's tests says, as pytest writes it for JUnit."""

from __future__ import annotations

from pathlib import Path

from defusedxml import ElementTree


def outcomes(report: Path) -> dict[str, str]:
    """What went wrong with each test that failed, nothing for one that passed; skipped ones are left out."""
    messages = {}
    for case in ElementTree.parse(report).iter("testcase"):
        problems = [problem for kind in ("failure", "error") if (problem := case.find(kind)) is not None]
        if case.find("skipped") is None:
            name = f"{case.get('classname', '').rpartition('.')[2]}.{case.get('name')}"
            messages[name] = problems[0].get("message", "?") if problems else ""
    return messages
