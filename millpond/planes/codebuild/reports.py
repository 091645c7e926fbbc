"""Test reports: report groups, reports and the test cases in them.

Source: "Test reports" in the CodeBuild User Guide, and the types ``ReportGroup``, ``Report``, ``TestCase``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from millpond.planes.codebuild.builds import Shape
from millpond.planes.codebuild.exceptions import InvalidInputException

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

KEPT = timedelta(days=30)
STATUSES = ("SUCCEEDED", "FAILED", "ERROR", "SKIPPED", "UNKNOWN")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-_]{1,127}")


class UnreadableReport(Exception):  # noqa: N818
    """The files of a report are not what its ``file-format`` says."""


def define_group(request: Mapping[str, Any], *, arn: str, now: datetime) -> Shape:
    """The ``ReportGroup`` structure for ``CreateReportGroup``."""
    name = request.get("name") or ""
    if not _NAME.fullmatch(name):
        raise InvalidInputException(f"Invalid report group name: {name}")
    if request.get("type") not in ("TEST", "CODE_COVERAGE"):
        raise InvalidInputException("Invalid report group type: it must be TEST or CODE_COVERAGE")
    return {
        "arn": arn,
        "name": name,
        "type": request["type"],
        "exportConfig": export_config(request.get("exportConfig") or {}),
        "created": now,
        "lastModified": now,
        "tags": list(request.get("tags") or []),
        "status": "ACTIVE",
    }


def export_config(config: Mapping[str, Any]) -> Shape:
    """A ``ReportExportConfig`` with its default."""
    kind = config.get("exportConfigType") or "NO_EXPORT"
    if kind not in ("NO_EXPORT", "S3"):
        raise InvalidInputException(f"Invalid export config type: {kind}")
    if kind == "S3" and not (config.get("s3Destination") or {}).get("bucket"):
        raise InvalidInputException("Invalid export config: s3Destination needs a bucket")
    return {**config, "exportConfigType": kind}


def group_name(project: str, name_or_arn: str) -> str:
    """The report group that a buildspec names: by its ARN, or by a name of which the project's is a part."""
    if name_or_arn.startswith("arn:"):
        return name_or_arn.rsplit("/", 1)[-1]
    return f"{project}-{name_or_arn}"


def parse_junit(paths: Sequence[Path], root: Path) -> list[Shape]:
    """The test cases in JUnit XML files, without their report's ARN.

    Raises
    ------
    UnreadableReport
        If a file is not JUnit XML.
    """
    cases: list[Shape] = []
    for path in paths:
        try:
            document = ElementTree.parse(path).getroot()
        except (ElementTree.ParseError, DefusedXmlException) as error:
            raise UnreadableReport(f"{path.name}: {error}") from error
        if document.tag not in ("testsuites", "testsuite"):
            raise UnreadableReport(f"{path.name}: the root element is {document.tag}, not testsuites")
        for suite in document.iter("testsuite"):
            cases += [_case(case, suite, str(path.relative_to(root))) for case in suite.findall("testcase")]
    return cases


def summary(cases: Sequence[Mapping[str, Any]]) -> Shape:
    """The ``testSummary`` of a report."""
    counts = dict.fromkeys(STATUSES, 0)
    for case in cases:
        counts[case["status"]] += 1
    total = sum(int(case["durationInNanoSeconds"]) for case in cases)
    return {"total": len(cases), "statusCounts": counts, "durationInNanoSeconds": total}


def status_of(cases: Sequence[Mapping[str, Any]]) -> str:
    """``SUCCEEDED`` when no case failed."""
    return "FAILED" if any(case["status"] in ("FAILED", "ERROR") for case in cases) else "SUCCEEDED"


def _case(case: Element, suite: Element, path: str) -> Shape:
    status, message = "SUCCEEDED", ""
    for tag, meaning in (("error", "ERROR"), ("failure", "FAILED"), ("skipped", "SKIPPED")):
        if (outcome := case.find(tag)) is not None:
            status, message = meaning, outcome.get("message") or (outcome.text or "").strip()
            break
    return {
        "testRawDataPath": path,
        "prefix": case.get("classname", ""),
        "name": case.get("name", ""),
        "status": status,
        "durationInNanoSeconds": int(float(case.get("time") or 0) * 1_000_000_000),
        "message": message,
        "testSuiteName": suite.get("name", ""),
    }
