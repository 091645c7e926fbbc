"""``docs/coverage/terraform-resources.md``, from what the sweep found.

``python -m terraform_types.document`` in ``tests/`` writes it anew from ``results.json``, which the sweep
writes. A type that no sweep has come to yet is told as that.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from terraform_types.sweep import STEPS, Answers, declared, groups, is_refusal

RESULTS = Path(__file__).parent / "results.json"
DOCUMENT = Path(__file__).parents[2] / "docs/coverage/terraform-resources.md"
PASSES, REFUSED, FAILS, NOT_SWEPT = "passes", "refused", "fails", "not swept yet"
WORST = (FAILS, NOT_SWEPT, REFUSED, PASSES)
WHY = re.compile(r"Millpond cannot do (\w+) of [\w-]+|is not supported: ([^.\n]+)")

Results = dict[str, dict[str, str]]


def results_of(answers: Mapping[str, Answers], resources: Mapping[str, list[str]]) -> Results:
    """What becomes of each type, from what became of its resources.

    Parameters
    ----------
    answers : mapping
        Address → step → why it failed there.
    resources : mapping
        Type → addresses.
    """
    failed = {address.partition("[")[0]: told for address, told in answers.items()}
    return {
        kind: _result([failed[one] for one in addresses if one in failed])
        for kind, addresses in resources.items()
    }


def read() -> dict[str, Results]:
    """File of a configuration → the results of its last sweep."""
    results: dict[str, Results] = json.loads(RESULTS.read_text())
    return results


def write(group: str, results: Results) -> None:
    """Put the results of a file's sweep in the place of those before, and write the document."""
    swept = {name: one for name, one in {**read(), group: results}.items() if name in groups()}
    RESULTS.write_text(json.dumps(swept, indent=1, sort_keys=True) + "\n")
    DOCUMENT.write_text(text(swept))


def merged(swept: Mapping[str, Results]) -> Results:
    """Each type with the worst of what its resources in all configurations came to."""
    unknown = {"answer": NOT_SWEPT, "why": ""}
    found: Results = {}
    for group in groups():
        for kind in declared(group):
            one = swept.get(group, {}).get(kind, unknown)
            found[kind] = min(found.get(kind, one), one, key=lambda result: WORST.index(result["answer"]))
    return found


def text(swept: Mapping[str, Results]) -> str:
    """The document."""
    rows = merged(swept)
    count = Counter(one["answer"] for one in rows.values())
    return "\n".join(
        [
            "# Resource types of Terraform",
            "",
            "Each type in a small configuration (`tests/terraform_types/configurations`) with Terraform's",
            f"AWS provider 5.100.0: {', '.join(STEPS)}. A second plan after the first",
            "apply and after the change shows no difference, and what is imported is as it was made.",
            f"`make test-foreign` sweeps them and writes this page: {count[PASSES]} pass, {count[REFUSED]}",
            f"are refused by name at apply, {count[FAILS]} fail, {count[NOT_SWEPT]} are not swept yet.",
            "",
            "| type | here | |",
            "|---|---|---|",
            *(f"| `{kind}` | {one['answer']} | {one['why']} |" for kind, one in sorted(rows.items())),
            "",
        ]
    )


def _result(failed: list[Answers]) -> dict[str, str]:
    if not failed:
        return {"answer": PASSES, "why": ""}
    refusals = [told["apply"] for told in failed if is_refusal(told.get("apply", ""))]
    if len(refusals) == len(failed):
        found: Any = WHY.search(refusals[0])
        return {"answer": REFUSED, "why": next(filter(None, found.groups()))}
    told = next(one for one in failed if not is_refusal(one.get("apply", "")))
    step = next(one for one in STEPS if one in told)
    return {"answer": FAILS, "why": f"{step}: {_short(told[step])}"}


def _short(why: str) -> str:
    """The end of an error, which says what is wrong; identifiers of requests are left out."""
    plain = re.sub(
        r"RequestID: [\w-]+, |[\w-]*\d+\.0\.0\.1:\d+", "", why.replace("\n", " ").replace("|", "/")
    )
    return plain[-160:].strip()


if __name__ == "__main__":
    DOCUMENT.write_text(text(read()))
