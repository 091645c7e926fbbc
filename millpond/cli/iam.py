"""``millpond iam``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from millpond.base.config import Settings, load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli.session import Json
from millpond.client import permissions
from millpond.client.aws import Aws
from millpond.planes.iam import Statement, read_policy
from millpond.planes.iam.learning import as_terraform, smallest_policy, unused, without
from millpond.planes.iam.ledger import Judgement, from_json


class Question(StrEnum):
    """What can be asked."""

    used = "used"
    policy = "policy"
    unused = "unused"
    needed = "needed"
    why = "why"
    unmapped = "unmapped"
    mode = "mode"


def iam(
    question: Annotated[
        Question,
        typer.Argument(
            help="used: permissions that were needed. policy ROLE: the smallest policy for them."
            " unused ROLE: what is granted beyond. needed ROLE: what fails without each action."
            " why: denials. unmapped: calls whose resource is not known."
            " mode [off|audit|enforce]."
        ),
    ],
    name: Annotated[str | None, typer.Argument(help="A role, user or mode.")] = None,
    as_json: Json = False,
    as_hcl: Annotated[bool, typer.Option("--terraform", help="Print the policy as Terraform.")] = False,
) -> None:
    """Show what principals did and may do; exits with 1 if ``why`` or ``unused`` finds something."""
    settings = load_settings()
    if question is Question.mode:
        answer = permissions.ask(settings, "PUT", {"mode": name}) if name else permissions.ask(settings)
        console.out.print(answer["mode"], highlight=False)
        return
    judged = [
        one
        for one in from_json(permissions.ask(settings)["judgements"])
        if name is None or name in (one.principal, one.principal.rpartition("/")[2])
    ]
    match question:
        case Question.policy:
            _show_policy(judged, _required(name), as_hcl=as_hcl)
        case Question.unused:
            _show_unused(settings, judged, _required(name), as_json=as_json)
        case Question.needed:
            _show_needed(settings, judged, _required(name), as_json=as_json)
        case Question.used:
            _show(judged, as_json=as_json)
        case Question.unmapped:
            _show([one for one in judged if not one.is_known], as_json=as_json)
        case _:
            _show_denials([one for one in judged if not one.is_allowed], as_json=as_json)


def _required(name: str | None) -> str:
    if name is None:
        raise MillpondError(
            "Whose?", next_step="name a role: millpond iam used shows those that did something"
        )
    return name


def _show(judged: Sequence[Judgement], *, as_json: bool) -> None:
    if as_json:
        console.show_json([vars(one) for one in judged])
        return
    rows = [
        (
            escape(one.principal),
            one.action,
            escape(one.resource),
            str(one.count),
            "allowed" if one.is_allowed else "denied",
        )
        for one in sorted(judged, key=lambda one: (one.principal, one.action, one.resource))
    ]
    console.show_table(("principal", "action", "resource", "calls", "answer"), rows)


def _show_denials(judged: Sequence[Judgement], *, as_json: bool) -> None:
    if as_json:
        console.show_json([vars(one) for one in judged])
    for one in judged if not as_json else ():
        console.out.print(escape(one.text), highlight=False)
        if one.sid:
            console.out.print(f"  decided by: the statement {escape(one.sid)}", highlight=False)
        else:
            statement = {"Effect": "Allow", "Action": one.action, "Resource": one.resource}
            console.out.print(f"  would allow it: {escape(json.dumps(statement))}", highlight=False)
    if judged:
        raise typer.Exit(1)


def _show_policy(judged: Sequence[Judgement], name: str, *, as_hcl: bool) -> None:
    if not judged:
        raise MillpondError(
            f"{name} has not done anything yet.", next_step="run what it is for, then ask again"
        )
    document = smallest_policy((one.action, one.resource) for one in judged)
    console.out.print(
        as_terraform(document, name) if as_hcl else json.dumps(document, indent=2),
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _show_unused(settings: Settings, judged: Sequence[Judgement], name: str, *, as_json: bool) -> None:
    statements = _statements(settings, name)
    rows = unused(statements, [(one.action, one.resource) for one in judged])
    if as_json:
        console.show_json([{"sid": sid, "action": action} for sid, action in rows])
    else:
        console.show_table(("statement", "action"), [(escape(sid), action) for sid, action in rows])
    if rows:
        raise typer.Exit(1)


def _show_needed(settings: Settings, judged: Sequence[Judgement], name: str, *, as_json: bool) -> None:
    """Each action with the sessions that would have been denied something without it, the last one first."""
    rows = [
        (sid, action, list(dict.fromkeys(one.session for one in reversed(failing))))
        for sid, action, failing in without(_statements(settings, name), None, judged)
    ]
    if as_json:
        console.show_json([{"sid": sid, "action": action, "fails": fails} for sid, action, fails in rows])
        return
    shown = [
        (escape(sid), action, escape(fails[0]) + (f" and {len(fails) - 1} more" if fails[1:] else ""))
        if fails
        else (escape(sid), action, "nothing")
        for sid, action, fails in rows
    ]
    console.show_table(("statement", "action", "fails without it"), shown)


def _statements(settings: Settings, name: str) -> list[Statement]:
    """All that the policies of a role say."""
    documents = permissions.documents(Aws(settings), name.rpartition("/")[2])
    return [statement for document in documents for statement in read_policy(document)]
