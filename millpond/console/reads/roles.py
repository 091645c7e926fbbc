"""What was denied and what would allow it; what each principal used, and what its role never did."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from millpond.base.config import Settings
from millpond.client import permissions
from millpond.client.aws import Aws
from millpond.planes.iam import read_policy
from millpond.planes.iam.learning import smallest_policy, unused
from millpond.planes.iam.ledger import Judgement, from_json


@dataclass(frozen=True)
class Judged:
    """What an engine has judged.

    Parameters
    ----------
    mode : str
        ``off``, ``audit`` or ``enforce``.
    judgements : tuple of Judgement
        Each kind once.
    """

    mode: str
    judgements: tuple[Judgement, ...]

    def denials(self) -> list[Judgement]:
        """What was or would have been denied, the last first."""
        return sorted((one for one in self.judgements if not one.is_allowed), key=_last, reverse=True)

    def of(self, principal: str) -> list[Judgement]:
        """What one principal needed, the last first."""
        return sorted((one for one in self.judgements if one.principal == principal), key=_last, reverse=True)

    def principals(self) -> list[tuple[str, int, int, float]]:
        """Each principal with how many permissions it needed, how many were denied, and when the last was."""
        by_name: dict[str, list[Judgement]] = defaultdict(list)
        for one in self.judgements:
            by_name[one.principal].append(one)
        return sorted(
            (name, len(found), sum(not one.is_allowed for one in found), max(map(_last, found)))
            for name, found in by_name.items()
        )


def _last(judgement: Judgement) -> float:
    return judgement.last


def read(settings: Settings) -> Judged:
    """What the engine of a stack has judged.

    Raises
    ------
    MillpondError
        If it does not answer.
    """
    told = permissions.ask(settings)
    return Judged(told["mode"], tuple(from_json(told["judgements"])))


def remedy(denial: Judgement) -> str:
    """The statement that would allow what was denied, as JSON; what decides now where one denies it."""
    if denial.sid:
        return f"the statement {denial.sid} decides"
    return json.dumps({"Effect": "Allow", "Action": denial.action, "Resource": denial.resource})


def role_name(principal: str) -> str:
    """The name of the role that a principal is; empty for everybody else."""
    return principal.rpartition("/")[2] if ":role/" in principal else ""


def never_used(aws: Aws, role: str, judged: Sequence[Judgement]) -> list[tuple[str, str]]:
    """The actions, each with the name of its statement, that a role's policies grant and it never used.

    Raises
    ------
    ClientError
        If there is no such role.
    """
    statements = [one for document in permissions.documents(aws, role) for one in read_policy(document)]
    return unused(statements, [(one.action, one.resource) for one in judged])


def policy(judged: Sequence[Judgement]) -> str:
    """The smallest policy for what was done, as JSON."""
    return json.dumps(smallest_policy((one.action, one.resource) for one in judged), indent=2)
