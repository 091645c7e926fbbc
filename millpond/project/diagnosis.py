"""Why a build failed, in words, with what to type next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from millpond.base.errors import MillpondError
from millpond.project.builds import FinishedBuild
from millpond.project.terraform_log import Diagnostic, diagnostics

LAST_LINES = 15
_LOCK_ID = re.compile(r"^ID:\s+(?P<id>\S+)", re.MULTILINE)
_LOCK_PATH = re.compile(r"^Path:\s+[^/\s]+/(?P<directory>\S+)/terraform\.tfstate", re.MULTILINE)
_IS_THERE_ALREADY = ("already exists", "AlreadyExists", "AlreadyOwnedByYou", "EntityAlreadyExists")


@dataclass(frozen=True)
class _Sign:
    """A line of the log that tells what is wrong."""

    pattern: re.Pattern[str]
    what: str
    next_step: str


_SIGNS = (
    _Sign(
        re.compile(r"Remote branch (?P<name>\S+) not found"),
        "The repository has no branch {name}.",
        "push the branch, or name another one: millpond deploy --branch NAME",
    ),
    _Sign(
        re.compile(r"ERROR: (?P<name>GitSSHPrivateKey is not .*)"),
        "{name}",
        "millpond deploy --git-key FILE, with the file of a private key that has no passphrase",
    ),
    _Sign(
        re.compile(r"(?P<name>Permission denied \(publickey.*|Host key verification failed.*)"),
        "The Git server does not let the build in: {name}",
        "millpond deploy --git-key FILE, with a key that may read the repository",
    ),
    _Sign(
        re.compile(
            r"(?:fatal: |ssh: )(?P<name>unable to access.*|repository .* not found.*"
            r"|.*does not appear to be a git repository.*|.*Could not resolve host.*|.*[Cc]onnect.*"
            r"|Could not read from remote repository.*)"
        ),
        "The build cannot read the repository: {name}",
        "correct ConfigRepoURL, or the way from the VPC to the Git server, then millpond deploy",
    ),
    _Sign(
        re.compile(r"ERROR: (?P<name>DeploymentDirPath names .*)"),
        "{name}",
        "correct DeploymentDirPath, or push the directory, then millpond deploy",
    ),
    _Sign(
        re.compile(r"ERROR: (?P<name>.*)"),
        "{name}",
        "correct it, then millpond deploy",
    ),
)


def build_error(build: FinishedBuild) -> MillpondError:
    """The error a person sees for a build that did not succeed."""
    where = f"build {build.id}, phase {build.phase}"
    if build.status in ("STOPPED", "TIMED_OUT"):
        what = "was stopped" if build.status == "STOPPED" else "took longer than it may"
        return MillpondError(
            f"The build {what}. What Terraform had finished by then is in its state.",
            where=where,
            next_step="millpond deploy goes on from there; if a lock is left, it says how to remove it",
            detail=_end(build.lines),
        )
    if errors := diagnostics(build.lines):
        return _terraform_error(errors, build)
    for sign in _SIGNS:
        for line in build.lines:
            if match := sign.pattern.search(line):
                return MillpondError(
                    sign.what.format(name=match["name"].strip().rstrip(".")).rstrip(".") + ".",
                    where=where,
                    next_step=sign.next_step,
                    detail=_end(build.lines),
                )
    return MillpondError(
        f"The build ended as {build.status}: {build.reason.rpartition('Reason: ')[2] or 'nothing says why'}",
        where=where,
        next_step=f"aws logs tail {build.log}" if build.log else "correct what it says, then millpond deploy",
        detail=_end(build.lines),
    )


def _terraform_error(errors: Sequence[Diagnostic], build: FinishedBuild) -> MillpondError:
    """Terraform's diagnostics: the first in full, the others in a line each."""
    # An error that names a place says more than an error which only announces others.
    first, *others = sorted(errors, key=lambda diagnostic: not diagnostic.place)
    lock = _LOCK_ID.search(first.detail)
    if lock and "state lock" in first.summary:
        path = _LOCK_PATH.search(first.detail)
        directory = path["directory"] if path else "terraform"
        return MillpondError(
            "Another Terraform holds the lock of the state, or one that was killed has left it.",
            where=f"{directory}, lock {lock['id']}",
            next_step=f"if nothing deploys right now: millpond deploy --unlock {directory}={lock['id']}",
            detail=first.detail,
        )
    detail = [
        first.detail,
        *(f"also: {diagnostic.summary} ({diagnostic.place}): {diagnostic.detail}" for diagnostic in others),
    ]
    text = f"{first.summary} {first.detail}"
    next_step = "correct it, then millpond deploy; what was made so far is in the state"
    if any(words in text for words in _IS_THERE_ALREADY):
        next_step = (
            "something made it that this state does not know: remove it, or import it; "
            "locally, millpond down, then millpond deploy"
        )
    elif "BucketNotEmpty" in text or "deletion protection" in text.lower():
        next_step = "set is_protected to false, millpond deploy, then millpond destroy again"
    return MillpondError(
        f"Terraform: {first.summary}",
        where=first.place or f"build {build.id}, phase {build.phase}",
        next_step=next_step,
        detail="\n".join(line for line in detail if line),
    )


def _end(lines: Sequence[str]) -> str:
    return "\n".join([line for line in lines if line.strip()][-LAST_LINES:])
