"""The shell of a build: its folder, and the commands that run in it as if in one shell.

In version 0.2 of the buildspec, "CodeBuild runs all build commands in the same instance of the default shell
in the build environment" (buildspec reference). Each command is a script of its own here, so that ``exit``
and ``set -e`` end one command only; it begins with the variables and the directory that the former one left.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import select
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from millpond.base import process
from millpond.planes.codebuild.exceptions import ClientFailure
from millpond.planes.common.isolation import Fence

_TICK_SECONDS = 0.2
_WORKER = Path(__file__).parent / "worker.py"


@dataclass(frozen=True)
class BuildFolder:
    """Where everything of one build is; readable by its owner only.

    Parameters
    ----------
    path : Path
        The folder.
    """

    path: Path

    @property
    def home(self) -> Path:
        return self.path / "home"

    @property
    def tmp(self) -> Path:
        """Where programs make their sockets, whose paths may have 108 characters only."""
        return Path("/tmp") / f"codebuild-{self.path.name[:13]}"  # noqa: S108 (of its owner, and made new)

    @property
    def programs(self) -> Path:
        """First on the path of every command."""
        return self.path / "bin"

    @property
    def control(self) -> Path:
        """Scripts, and what passes from one to the next."""
        return self.path / "control"

    @property
    def log(self) -> Path:
        return self.path / "build.log"

    def source(self, identifier: str) -> Path:
        """Directory of a source; the primary one has no identifier."""
        return self.path / (f"src_{identifier}" if identifier else "src")

    def create(self) -> None:
        self.path.mkdir(parents=True, mode=0o700)
        self.tmp.mkdir(mode=0o700)
        for directory in (self.home, self.programs, self.control, self.source("")):
            directory.mkdir()
        # Git refuses another user's repository unless told so; these are read, and nothing of them is run.
        (self.home / ".gitconfig").write_text("[safe]\n\tdirectory = *\n")
        self.log.touch()

    def remove(self) -> None:
        """Remove everything."""
        for directory in (self.tmp, self.path):
            shutil.rmtree(directory, ignore_errors=True)


@dataclass(frozen=True)
class User:
    """Who runs a command.

    Parameters
    ----------
    uid, gid : int
        Numeric ids.
    groups : tuple of int
        Supplementary groups.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]


def find_user(name: str | None, folder: BuildFolder) -> User | None:
    """The user that ``run-as`` names; None for the one that the build has anyhow.

    Raises
    ------
    ClientFailure
        If there is no such user, or if commands cannot be run as that one here.
    """
    if name is None:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ClientFailure(f"run-as: there is no user {name} on this machine") from None
    if entry.pw_uid == os.getuid():
        return None
    if os.getuid() != 0:
        raise ClientFailure(
            f"run-as: only root can run commands as {name}, and this engine does not run as root"
        )
    for parent in folder.path.parents:
        if not parent.stat().st_mode & 0o001:
            raise ClientFailure(f"run-as: {name} cannot reach the build's folder, because of {parent}")
    return User(entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(name, entry.pw_gid)))


class CommandRunner:
    """Runs commands one after the other, in one process group that ends with the build.

    Parameters
    ----------
    python : Path
        Interpreter of the leader.
    folder : BuildFolder
        Where it runs.
    pid_file : Path
        Where the leader is recorded.
    tick : callable
        Called several times a second while a command runs; what it raises interrupts the build.
    fence : Fence, optional
        What commands see of the machine; everything, unless given.
    """

    def __init__(
        self,
        python: Path,
        folder: BuildFolder,
        pid_file: Path,
        tick: Callable[[], None],
        fence: Fence | None = None,
    ) -> None:
        self._folder = folder
        self._tick = tick
        with folder.log.open("ab") as log:

            def start() -> subprocess.Popen[str]:
                return subprocess.Popen(
                    [python, "-I", "-S", _WORKER],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    cwd=folder.path,
                    env={},
                    text=True,
                    start_new_session=True,
                )

            self._leader = fence.start(start) if fence else start()
        self._owned = process.record(self._leader.pid, pid_file)

    def run(
        self,
        command: Sequence[str | os.PathLike[str]],
        env: Mapping[str, str],
        *,
        cwd: Path,
        user: User | None = None,
        output: Path | None = None,
    ) -> int:
        """Run one command to its end; its exit code.

        Parameters
        ----------
        command : sequence
            Program and arguments.
        env : mapping
            Its whole environment.
        cwd : Path
            Where it begins.
        user : User, optional
            Who runs it.
        output : Path, optional
            What it prints goes there instead of into the build's log.
        """
        request = {
            "command": [os.fspath(part) for part in command],
            "env": dict(env),
            "cwd": str(cwd),
            "user": user.uid if user else None,
            "group": user.gid if user else None,
            "extra_groups": user.groups if user else None,
            "output": str(output) if output else None,
        }
        assert self._leader.stdin is not None
        assert self._leader.stdout is not None
        self._leader.stdin.write(json.dumps(request) + "\n")
        self._leader.stdin.flush()
        while not select.select([self._leader.stdout], [], [], _TICK_SECONDS)[0]:
            self._tick()
        answer = self._leader.stdout.readline()
        if not answer:
            raise RuntimeError("the process that runs the build's commands has ended")
        return int(answer)

    def end(self, grace: float) -> None:
        """End everything that was started and has not ended.

        Parameters
        ----------
        grace : float
            Seconds between the request to end and the end.
        """
        for descendant in self._owned.tree():
            with contextlib.suppress(ProcessLookupError, psutil.Error):
                # A process that has left the group does not get the signal that the group gets.
                if os.getpgid(descendant.pid) != self._leader.pid:
                    descendant.terminate()
        self._owned.stop(grace)
        for stream in (self._leader.stdin, self._leader.stdout):
            assert stream is not None
            stream.close()
        self._leader.wait()


class BuildShell:
    """What the phases of one build run their commands in.

    Parameters
    ----------
    runner : CommandRunner
        Runs them.
    folder : BuildFolder
        Of the build.
    program : str
        ``sh`` or ``bash``.
    environment : mapping
        What the first command finds.
    is_shared : bool
        Whether a command finds what the former one left: since version 0.2 of the buildspec.
    """

    def __init__(
        self,
        runner: CommandRunner,
        folder: BuildFolder,
        program: str,
        environment: Mapping[str, str],
        *,
        is_shared: bool = True,
    ) -> None:
        self._runner = runner
        self._folder = folder
        self._program = program
        self._environment = environment
        self._is_shared = is_shared
        self._saved = folder.control / "env.sh"
        self._directory = folder.control / "dir.txt"

    def run(self, command: str, *, is_succeeding: bool, user: User | None = None) -> int:
        """Run a command of a phase; its exit code."""
        script = self._folder.control / "script.sh"
        environment = {**self._environment, "CODEBUILD_BUILD_SUCCEEDING": str(int(is_succeeding))}
        script.write_text(self._script(command, is_succeeding=is_succeeding))
        if user:
            self._hand_over(user)
        source = self._folder.source("")
        return self._runner.run([self._program, script], environment, cwd=source, user=user)

    def expand(self, text: str) -> str:
        """Text with its variables and commands expanded, as in double quotes."""
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        return self._ask(f'printf "%s" "{quoted}"')

    def variables(self) -> dict[str, str]:
        """The environment as the commands left it."""
        listed = self._ask("env -0").split("\0")
        return dict(line.split("=", 1) for line in listed if "=" in line)

    def _ask(self, command: str) -> str:
        answer = self._folder.control / "answer"
        answer.unlink(missing_ok=True)
        script = self._folder.control / "script.sh"
        script.write_text("\n".join([*self._restore(), command, ""]))
        source = self._folder.source("")
        code = self._runner.run([self._program, script], self._environment, cwd=source, output=answer)
        content = answer.read_text(errors="replace") if answer.exists() else ""
        if code != 0:
            raise ClientFailure(f"{command} ended with exit status {code}: {content.strip()}")
        return content

    def _script(self, command: str, *, is_succeeding: bool) -> str:
        if not self._is_shared:
            return f"{command}\n"
        functions = "; declare -f" if self._program == "bash" else ""
        return "\n".join(
            [
                *self._restore(),
                f"export CODEBUILD_BUILD_SUCCEEDING={int(is_succeeding)}",
                "codebuild_save() {",
                f"  {{ export -p{functions}; }} > {shlex.quote(str(self._saved))}",
                f"  pwd > {shlex.quote(str(self._directory))}",
                "}",
                "trap codebuild_save EXIT",
                "set -a",
                command,
                "",
            ]
        )

    def _restore(self) -> list[str]:
        if not (self._is_shared and self._saved.exists()):
            return []
        saved, directory = shlex.quote(str(self._saved)), shlex.quote(str(self._directory))
        return [f". {saved}", f'cd "$(cat {directory})" || exit 1']

    def _hand_over(self, user: User) -> None:
        """Give the build's files to who runs the next command, as they are in a container of theirs."""
        for root in (self._folder.path, self._folder.tmp):
            for directory, _, files in os.walk(root):
                os.chown(directory, user.uid, user.gid)
                for name in files:
                    os.chown(Path(directory) / name, user.uid, user.gid, follow_symlinks=False)
