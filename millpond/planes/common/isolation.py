"""What the code of jobs, functions, builds and queries sees of the machine.

It may read the system, and the interpreter and libraries that it runs with; it may change its own folder and
the temporary directory. Not the user's home, not the state directory with the password of the database's
administrator and the folders of others, and no process but its own. The kernel sees to that, where it
can (Landlock, without privileges); ``MILLPOND_ISOLATION=off`` leaves it out.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from millpond.base import landlock
from millpond.planes.common.context import PlaneContext

SETTING = "MILLPOND_ISOLATION"
OFF = "off"
# "/run" has the name servers of the machine, "/proc" and "/sys" what a JVM asks of it.
SYSTEM = tuple(
    Path("/", name)
    for name in (
        *("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "opt", "nix", "snap", "var", "run"),
        *("proc", "sys"),
    )
)
# What a package manager changes; it can be writable, as only root may write there anyway.
INSTALLED = tuple(Path("/", name) for name in ("usr", "etc", "opt", "var", "run"))
# The devices that a program may use; the disks are not among them.
DEVICES = tuple(
    Path("/dev", name)
    for name in ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd", "mqueue")
)
TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 (what user code names, as on AWS)
_PACKAGE = Path(__file__).parents[2]


def level(environment: dict[str, str] | None = None) -> str:
    """What keeps user code apart: ``Landlock`` and its version, ``none`` if there is none, or ``off``."""
    env = os.environ if environment is None else environment
    if env.get(SETTING) == OFF:
        return OFF
    return f"Landlock {landlock.version()}" if landlock.version() else "none"


@dataclass(frozen=True)
class Fence:
    """What one run, function, build or query sees.

    Parameters
    ----------
    hidden : tuple of Path
        What it does not see although the system is around it.
    readable, writable : tuple of Path
        What it sees besides, if hidden.
    installs : bool
        Whether it may change the system's own directories, as root: builds install what they need.
    temporary : bool
        Whether it has the temporary directories of the system.
    """

    hidden: tuple[Path, ...]
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    installs: bool = False
    temporary: bool = True

    def start[T](self, start: Callable[[], T]) -> T:
        """Start something behind the fence, if there is to be one."""
        if not self._is_up:
            return start()
        return landlock.start_within(self._all_readable(), self._all_writable(), start)

    def enter(self) -> None:
        """Stay behind the fence from now on, as the only thread of a process."""
        if self._is_up:
            landlock.restrict(self._all_readable(), self._all_writable())

    @property
    def _is_up(self) -> bool:
        return level().startswith("Landlock")

    def _all_readable(self) -> list[Path]:
        return [*self._visible(SYSTEM), *self._around(self.readable)]

    def _all_writable(self) -> list[Path]:
        system = (*(TEMPORARY if self.temporary else ()), *(INSTALLED if self.installs else ()))
        return [*DEVICES, *self._visible(system), *self._around(self.writable)]

    def _visible(self, roots: Iterable[Path]) -> list[Path]:
        hidden = [os.path.realpath(path) for path in self.hidden]
        return [path for root in roots for path in _without(os.path.realpath(root), hidden)]

    def _around(self, roots: Iterable[Path]) -> Iterator[Path]:
        """What was asked for, also in a hidden place, without the hidden places that are in it."""
        hidden = [os.path.realpath(path) for path in self.hidden]
        for root in map(os.path.realpath, roots):
            yield from _without(root, [path for path in hidden if path.startswith(f"{root}/")])


def fence(
    context: PlaneContext,
    *,
    readable: Iterable[Path] = (),
    writable: Iterable[Path] = (),
    installs: bool = False,
) -> Fence:
    """What user code of a stack sees.

    Parameters
    ----------
    context : PlaneContext
        The stack, whose state directory is hidden.
    readable : iterable of Path
        What it runs with; of a program its whole installation (:func:`installation`).
    writable : iterable of Path
        Its own folders.
    installs : bool
        As :class:`Fence`.
    """
    tools = context.tools
    common = (tools.jars_dir, tools.glue_runtime, tools.java_home, tools.wheels, _PACKAGE)
    return Fence(
        hidden(context.state_dir),
        (*(path for path in common if path is not None), *readable),
        tuple(writable),
        installs,
    )


def hidden(state_dir: Path) -> tuple[Path, ...]:
    """What nobody's code sees: the state of the stack, and the home of the user."""
    return (state_dir, *_home())


def installation(program: Path) -> tuple[Path, ...]:
    """Directories that a program and what belongs to it are in: of a virtual environment two."""
    directories = []
    for path in (Path.cwd() / program, program.resolve()):
        directory = path.parent
        directories.append(directory.parent if directory.name in ("bin", "Scripts") else directory)
    # A program that lies in a home or in the root does not make all of that directory visible.
    return tuple(path for path in dict.fromkeys(directories) if path not in (Path("/"), *_home()))


def search_path(text: str) -> tuple[Path, ...]:
    """The entries of a ``PYTHONPATH`` or the like."""
    return tuple(Path(entry) for entry in text.split(os.pathsep) if entry)


@cache
def _home() -> tuple[Path, ...]:
    """The user's home, unless the system is in it, as in some containers."""
    try:
        home = Path(os.path.realpath(pwd.getpwuid(os.getuid()).pw_dir))
    except KeyError:
        return ()
    return () if any(home == directory or home in directory.parents for directory in SYSTEM) else (home,)


def own_interpreter() -> tuple[Path, ...]:
    """Where the harness's own Python is."""
    return installation(Path(sys.executable))


def _without(root: str, hidden: list[str]) -> Iterator[Path]:
    """A directory without what is hidden in it: itself, or those below that are no way to it."""
    if any(root == path or root.startswith(f"{path}/") for path in hidden):
        return
    if not any(path.startswith(f"{root}/") for path in hidden):
        yield Path(root)
        return
    try:
        entries = sorted(entry.path for entry in os.scandir(root) if not entry.is_symlink())
    except OSError:
        return
    for entry in entries:
        yield from _without(entry, hidden)
