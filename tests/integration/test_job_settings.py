"""Terraform, the jobs and JSON Schema itself judge a settings item alike."""

from __future__ import annotations

import json
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

from ingest.settings_schema import DEFAULTS, FIELDS, LOAD_MODES, problems
from jsonschema import Draft202012Validator
from settings_items import settings_item
from terraform_fixtures import BareTerraform

from millpond.base.config import CHECKOUT, load_settings

SCHEMA = json.loads((CHECKOUT / "glue_jobs/ingest/job_settings.json").read_text())
RULE = {"name": "n", "check": "c"}
VALUES: tuple[Any, ...] = (
    None, "", "x", "1", "true", "auto", "change_table", "rate(1 day)", "cron(0 2 * * ? *)", "rate()", "hash",
    True, False, 0, 1, 2, -1, 0.5, 1.5, 10000, [], ["a"], [1], [None], ["a", 1], [RULE], [{"name": "n"}],
    [{**RULE, "more": "m"}], [{**RULE, "check": 1}], [RULE, "a"], {}, {"a": "hash"}, {"a": "b"}, {"a": 1},
)  # fmt: skip


def items() -> dict[str, dict[str, Any]]:
    """Each value under every setting at once; every mode with each part of what a mode may need."""
    found = {f"value-{number}": dict.fromkeys(FIELDS, value) for number, value in enumerate(VALUES)}
    found |= {"unknown": settings_item("a.b", watermark_colum="c"), "empty": {}}
    needed = {"key_columns": ["k"], "watermark_column": "w", "change_operation_column": "o"}
    needed["change_sequence_column"] = "s"
    for mode in LOAD_MODES:
        for count in range(len(needed) + 1):
            for names in combinations(needed, count):
                given = {name: needed[name] for name in names}
                found["-".join([mode, *names])] = settings_item("a.b", load_mode=mode, **given)
    return found


ITEMS = items()


def test_the_jobs_read_of_json_schema_what_it_means() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    validator = Draft202012Validator(SCHEMA)
    for value in VALUES:
        item = dict.fromkeys(FIELDS, value)
        refused = {error.path[0] for error in validator.iter_errors(item)}
        assert {text.split()[0] for text in problems(item) if " is not " in text} == refused, value
    assert problems({}) == [f"{name} is missing" for name in FIELDS]


def test_required_is_what_has_no_default() -> None:
    assert SCHEMA["required"] == [name for name in FIELDS if name not in DEFAULTS]


def test_a_mode_is_usable_with_what_it_needs_and_with_nothing_less() -> None:
    usable = {name for name in ITEMS if name.split("-")[0] in LOAD_MODES and not problems(ITEMS[name])}
    least = {min((name for name in usable if name.split("-")[0] == mode), key=len) for mode in LOAD_MODES}
    assert least == {"-".join([mode.name, *mode.needs]) for mode in LOAD_MODES.values()}


def test_terraform_says_the_same_of_every_item(tmp_path: Path) -> None:
    for folder in ("terraform", "glue_jobs/ingest", "fixtures/job_settings"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("terraform/job_settings.tf", "glue_jobs/ingest/job_settings.json"):
        shutil.copy(CHECKOUT / name, tmp_path / name)
    for name, item in ITEMS.items():
        (tmp_path / f"fixtures/job_settings/{name}.json").write_text(json.dumps(item))
    (tmp_path / "terraform/outputs.tf").write_text(
        'variable "fixtures_dir" {\n  default = "../fixtures"\n}\n'
        'output "problems" {\n  value = jsonencode(local.settings_problems)\n}\n'
    )
    terraform = BareTerraform.of(load_settings(), tmp_path / "terraform")
    terraform.must("init", "-no-color")
    terraform.must("apply", "-auto-approve", "-no-color")
    said = json.loads(json.loads(terraform.must("output", "-json", "problems")))

    expected = {name: sorted(problems({**DEFAULTS, **item})) for name, item in ITEMS.items()}
    assert {name: sorted(texts) for name, texts in said.items()} == expected
