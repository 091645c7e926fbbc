"""The repository that a local deployment is built from: a bare mirror of the checkout, as it is right now.

A build reads a Git repository and nothing else, so what is not committed yet is committed there, on top of
the checkout's own history. The checkout is only read: its index, branches and work tree stay as they are.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from millpond.base.errors import MillpondError

DEFAULT_BRANCH = "main"
NO_DATE = "1980-01-01T00:00:00Z"
_AUTHOR = {"NAME": "Millpond", "EMAIL": "millpond@localhost"}


@dataclass(frozen=True)
class Snapshot:
    """What a build can check out.

    Parameters
    ----------
    url : str
        Address of the mirror.
    branch : str
        Branch to deploy.
    commit : str
        What the branch is at.
    """

    url: str
    branch: str
    commit: str


class Mirror:
    """A bare repository below the state directory.

    Parameters
    ----------
    checkout : Path
        Work tree that is deployed; it need not be a repository.
    store : Path
        Directory of the mirror.
    """

    def __init__(self, checkout: Path, store: Path) -> None:
        self._checkout = checkout
        self._store = store

    def snapshot(self, branch: str | None = None) -> Snapshot:
        """Bring the mirror to the checkout's state.

        Parameters
        ----------
        branch : str, optional
            Branch to deploy. That which is checked out, or none, deploys the work tree with what is not
            committed; another one deploys what is committed there.

        Raises
        ------
        MillpondError
            If Git cannot read the checkout.
        """
        self._prepare()
        head = self._fetch()
        current = checked_out_branch(self._checkout) or DEFAULT_BRANCH
        self._commit_work_tree(current, head)
        wanted = branch or current
        commit = self._ask("rev-parse", "--quiet", "--verify", f"refs/heads/{wanted}^{{commit}}")
        return Snapshot(self._store.resolve().as_uri(), wanted, commit or "")

    def _prepare(self) -> None:
        if not (self._store / "HEAD").exists():
            self._store.mkdir(parents=True, exist_ok=True)
            # To be read by whoever reaches it, as the user of a container is another one than this.
            self._git("init", "--quiet", "--bare", "--shared=0644", str(self._store))
        # What a person set for Git elsewhere (hooks, signatures, line ends) has no part in this.
        config = f"[safe]\n\tdirectory = {self._checkout}\n\tdirectory = {self._checkout / '.git'}\n"
        (self._store / "millpond.gitconfig").write_text(config)

    def _fetch(self) -> str | None:
        """The checkout's branches and commits; what its HEAD is at."""
        if not (self._checkout / ".git").exists():
            return None
        commit = self._ask("-C", str(self._checkout), "rev-parse", "--quiet", "--verify", "HEAD^{commit}")
        if commit is None:
            return None
        fetch = ("fetch", "--quiet", "--no-tags", "--update-shallow", "--prune")
        self._git(*fetch, str(self._checkout), "HEAD", "+refs/heads/*:refs/heads/*", in_store=True)
        return commit

    def _commit_work_tree(self, branch: str, head: str | None) -> None:
        environment = {
            "GIT_WORK_TREE": str(self._checkout),
            "GIT_INDEX_FILE": str(self._store / "work-tree.index"),
        }
        self._git("add", "--all", "--", ".", in_store=True, extra=environment, cwd=self._checkout)
        tree = self._git("write-tree", in_store=True, extra=environment).strip()
        if head and tree == self._git("rev-parse", f"{head}^{{tree}}", in_store=True).strip():
            commit = head
        else:
            parent = ("-p", head) if head else ()
            message = ("-m", "The work tree, with what is not committed")
            # The same files give the same commit.
            date = self._git("show", "-s", "--format=%cI", head, in_store=True).strip() if head else NO_DATE
            dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
            commit = self._git("commit-tree", tree, *parent, *message, in_store=True, extra=dates).strip()
        self._git("update-ref", f"refs/heads/{branch}", commit, in_store=True)
        self._git("symbolic-ref", "HEAD", f"refs/heads/{branch}", in_store=True)

    def _ask(self, *arguments: str) -> str | None:
        in_store = arguments[0] != "-C"
        answer = self._run(arguments, in_store=in_store, extra={}, cwd=None)
        return answer.stdout.strip() if answer.returncode == 0 else None

    def _git(
        self,
        *arguments: str,
        in_store: bool = False,
        extra: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> str:
        answer = self._run(arguments, in_store=in_store, extra=extra or {}, cwd=cwd)
        if answer.returncode != 0:
            raise MillpondError(
                f"Git could not {arguments[0]} what is to be deployed.",
                where=str(self._checkout),
                next_step="git status in the checkout; correct what it says, then millpond deploy",
                detail=answer.stderr.strip(),
            )
        return answer.stdout

    def _run(
        self, arguments: tuple[str, ...], *, in_store: bool, extra: Mapping[str, str], cwd: Path | None
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._store),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self._store / "millpond.gitconfig"),
            **{
                f"GIT_{who}_{what}": value
                for who in ("AUTHOR", "COMMITTER")
                for what, value in _AUTHOR.items()
            },
            **({"GIT_DIR": str(self._store)} if in_store else {}),
            **extra,
        }
        try:
            return subprocess.run(
                ["git", *arguments], env=environment, cwd=cwd, capture_output=True, text=True, check=False
            )
        except FileNotFoundError as error:
            raise MillpondError(
                "Git is not installed.", next_step="install git, then millpond deploy"
            ) from error


def checked_out_branch(checkout: Path) -> str | None:
    """The branch that a checkout is on; None when it is on none."""
    return _asked(checkout, "symbolic-ref", "--quiet", "--short", "HEAD")


def origin_url(checkout: Path) -> str | None:
    """Address of the repository that a checkout was cloned from; None when it has none."""
    return _asked(checkout, "remote", "get-url", "origin")


def _asked(checkout: Path, *arguments: str) -> str | None:
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-c", "safe.directory=*", "-C", str(checkout), *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None
