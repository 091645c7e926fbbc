"""Filter patterns of CloudWatch Logs, as its User Guide describes them."""

from __future__ import annotations

import json

import pytest

from millpond.localstack_ext.logs.patterns import InvalidPatternError, parse

LINE = "2026-05-31 ERROR table erp.orders: 12 rows dropped"
JSON = json.dumps(
    {"level": "ERROR", "rows": 12, "ok": False, "gone": None, "of": {"tables": ["erp.orders", "erp.items"]}}
)
ACCESS = '127.0.0.1 - alice [31/May/2026 10:00:00] "GET /a.html" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "message", "is_match"),
    [
        ("", LINE, True),
        ("ERROR", LINE, True),
        ("error", LINE, False),
        ("ERROR dropped", LINE, True),
        ("ERROR retried", LINE, False),
        ('"rows dropped"', LINE, True),
        ('"dropped rows"', LINE, False),
        ("?WARN ?ERROR", LINE, True),
        ("?WARN ?INFO", LINE, False),
        ("ERROR -dropped", LINE, False),
        ("ERROR -retried", LINE, True),
        (r"%erp\.\w+%", LINE, True),
        (r"%tpch\.\w+%", LINE, False),
        ('{ $.level = "ERROR" }', JSON, True),
        ("{ $.level = ERR* }", JSON, True),
        ("{ $.level != ERROR }", JSON, False),
        ('{ $.nothing != "x" }', JSON, False),
        ("{ $.rows > 10 && $.rows <= 12 }", JSON, True),
        ("{ $.rows = 12.0 }", JSON, True),
        ("{ ($.rows = 1 || $.rows = 12) && $.level = ERROR }", JSON, True),
        ("{ $.rows = 1 || $.rows = 12 && $.level = INFO }", JSON, False),
        ("{ $.ok IS FALSE }", JSON, True),
        ("{ $.gone IS NULL }", JSON, True),
        ("{ $.absent NOT EXISTS }", JSON, True),
        ("{ $.rows NOT EXISTS }", JSON, False),
        ('{ $.of.tables[1] = "erp.items" }', JSON, True),
        ('{ $.of.tables[2] = "erp.items" }', JSON, False),
        ("{ $.level = %^ERR% }", JSON, True),
        ("{ $.level = ERROR }", LINE, False),
        ("[ip, id, user, when, request, status = 4*, bytes > 1000]", ACCESS, True),
        ("[ip, id, user, when, request, status = 2*, bytes]", ACCESS, False),
        ("[ip, user, status]", ACCESS, False),
        ("[..., status, bytes > 1000]", ACCESS, True),
        ("[ip = 127.*, ...]", ACCESS, True),
        ("[..., status = 404 || status = 410, bytes]", ACCESS, True),
    ],
)
def test_pattern_matches_what_aws_says(pattern: str, message: str, is_match: bool) -> None:
    assert (parse(pattern).match(message) is not None) is is_match


def test_match_gives_the_values_of_its_fields() -> None:
    of_json = parse("{ $.rows = * }").match(JSON)
    of_columns = parse("[..., status, bytes]").match(ACCESS)
    assert of_json is not None
    assert of_columns is not None
    assert (of_json("$.rows"), of_json("$.of.tables[0]"), of_json("$.absent")) == (12, "erp.orders", None)
    assert (of_columns("$status"), of_columns("$bytes")) == ("404", "1534")


@pytest.mark.parametrize(
    "pattern",
    [
        "{ $.a = 1",
        "[a, b",
        "{ $.a }",
        "{ $.a ~ 1 }",
        "{ $.a > x }",
        "{ ($.a = 1 }",
        "%(%",
        "{ $.a IS 3 }",
        '"open',
        "{ $.a[*] = 1 }",
        "{ $.a..b = 1 }",
        '{ $.a = "x }',
    ],
)
def test_pattern_that_aws_refuses_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPatternError):
        parse(pattern)
