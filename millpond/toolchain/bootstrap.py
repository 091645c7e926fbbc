"""Make the Python environment of the harness, from nothing but a Python 3 and pip.

``python3 -m millpond.toolchain.bootstrap`` runs it in a checkout, :mod:`millpond.cli.launcher` in an
installed Millpond: any Python from 3.8 on, with the standard library alone. What it makes lies below
:func:`~millpond.base.places.default_home`. A second run finds its own stamps and returns at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from millpond.base.places import CHECKOUT, IS_CHECKOUT, RESOURCES, default_home
from millpond.toolchain import carried

REQUIREMENTS = RESOURCES / "requirements"
# A file in an environment which says that it is one of the harness and was made completely.
COMPLETE = ".millpond-complete"
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class BootstrapError(Exception):
    """What could not be had, and what to install."""


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Keep every other process from installing below ``home`` meanwhile; the system ends it with the process.

    Raises
    ------
    BootstrapError
        If nothing can be written there.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / ".setup.lock").open("w")
    except OSError as error:
        raise BootstrapError(
            f"{home} cannot be written: {error.strerror}. "
            "Set MILLPOND_HOME to a directory that can, then run again."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Waiting for another Millpond that sets itself up in {home}", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def python_version(executable: Path) -> Optional[str]:
    """``"3.13"`` for a Python 3.13 that runs, None for anything else."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        result = subprocess.run(
            [str(executable), "-c", code], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()


def python_candidates(version: str, home: Path) -> Iterator[Path]:
    """Where a Python of that version may be: the path, uv's installs, pyenv's, ours."""
    for directory in os.environ.get("PATH", "").split(os.pathsep):
        if directory:
            yield Path(directory) / f"python{version}"
    homes = {Path.home(), Path(pwd.getpwuid(os.getuid()).pw_dir)}
    uv_directories = [home / "pythons", *(h / ".local/share/uv/python" for h in homes)]
    if os.environ.get("UV_PYTHON_INSTALL_DIR"):
        uv_directories.insert(0, Path(os.environ["UV_PYTHON_INSTALL_DIR"]))
    for installs in uv_directories:
        yield from sorted(installs.glob(f"cpython-{version}.*/bin/python{version}"), reverse=True)
    pyenv_roots = [h / ".pyenv" for h in homes]
    if os.environ.get("PYENV_ROOT"):
        pyenv_roots.insert(0, Path(os.environ["PYENV_ROOT"]))
    for root in pyenv_roots:
        yield from sorted(root.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)


def find_python(version: str, home: Path) -> Optional[Path]:
    """The first candidate that exists and runs."""
    for candidate in python_candidates(version, home):
        if candidate.is_file() and python_version(candidate) == version:
            return candidate
    return None


def ensure_python(version: str, home: Path, uv: Path) -> Path:
    """A Python of that version, installed below ``home`` by uv when the machine has none."""
    python = find_python(version, home)
    if python:
        return python
    result = subprocess.run(
        [str(uv), "python", "install", version],
        env=uv_environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    python = find_python(version, home)
    if result.returncode or not python:
        raise BootstrapError(
            f"Python {version} is not on this machine and could not be downloaded. "
            f"Install Python {version} (for example with pyenv or your distribution) and run again.\n"
            f"{result.stderr.strip()[-800:]}"
        )
    return python


def ensure_uv(home: Path) -> Path:
    """The pinned uv, installed with pip below ``home`` when it is missing."""
    uv = home / "uv" / "bin" / "uv"
    stamp = Stamp(home / "uv" / ".stamp", [REQUIREMENTS / "uv.txt"])
    if stamp.is_current and uv.exists():
        return uv
    pip = find_pip(home)
    shutil.rmtree(home / "uv", ignore_errors=True)
    run(
        [*pip, "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        + ["--target", str(home / "uv"), "-r", str(REQUIREMENTS / "uv.txt")],
        "uv could not be installed with pip",
    )
    stamp.write()
    return uv


def find_pip(home: Path) -> List[str]:
    """The command of a pip that runs: this Python's, else that of another one on the machine."""
    for python in _pythons(home):
        command = [str(python), "-m", "pip"]
        if subprocess.run([*command, "--version"], capture_output=True, check=False).returncode == 0:
            return command
    raise BootstrapError(
        "No Python on this machine has pip. Install it (Debian, Ubuntu: apt-get install python3-pip)."
    )


def _pythons(home: Path) -> Iterator[Path]:
    yield Path(sys.executable)
    # An environment that uv made has no pip, but the Python that it is of has.
    yield Path(getattr(sys, "_base_executable", "") or sys.executable)
    for version in ("3.13", "3.12", "3.11", "3.10", "3.9"):
        python = find_python(version, home)
        if python:
            yield python


class Stamp:
    """Remembers that something was made completely, and from which files.

    Parameters
    ----------
    path : Path
        The stamp; it is written last, so an interrupted run leaves none.
    sources : sequence of Path
        Files whose change makes it stale.
    """

    def __init__(self, path: Path, sources: Sequence[Path]) -> None:
        self.path = path
        self.sources = sources

    @property
    def digest(self) -> str:
        content = hashlib.sha256()
        for source in self.sources:
            content.update(source.read_bytes())
        return content.hexdigest()

    @property
    def is_current(self) -> bool:
        return self.path.exists() and self.path.read_text() == self.digest

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(self.digest)


def ensure_environment(
    name: str, python: Path, requirements: Path, home: Path, uv: Path, *, once: bool = False
) -> Path:
    """A virtual environment with exactly the locked packages; returns its interpreter.

    One that was interrupted half-way has no stamp and is made anew. ``once`` is that of :func:`install`.
    """
    directory = home / "venvs" / name
    interpreter = directory / "bin" / "python"
    stamp = Stamp(directory / ".millpond-stamp", [requirements, REQUIREMENTS / "build.txt"])
    if stamp.is_current and interpreter.exists():
        return interpreter
    run(
        [str(uv), "venv", "--quiet", "--clear", "--python", str(python), str(directory)],
        f"The environment {name} could not be made",
    )
    # Jobs and functions may not write there: what is not compiled now is compiled in each of their runs.
    # A lock names all: a resolver would build PySpark a second time, to see what it needs.
    arguments = ["--compile-bytecode", "--no-deps", "--require-hashes", "-r", str(requirements)]
    install(uv, interpreter, arguments, f"The packages of {name}", once=once)
    stamp.write()
    return interpreter


def ensure_harness(home: Path, *, dev: bool, plugins: Sequence[Path] = ()) -> Path:
    """The harness environment with Millpond itself and plug-ins in it; returns its interpreter.

    A plug-in is the directory of a Python project. What it needs beside Millpond is in the harness's lock. A
    checkout and its plug-ins are installed in place, an installed Millpond as the wheel that it came from.
    """
    interpreter, stamp = harness(home, dev=dev, plugins=plugins)
    if stamp.is_current and interpreter.exists():
        return interpreter
    with alone(home):
        if not (stamp.is_current and interpreter.exists()):
            _make_harness(home, interpreter, dev=dev, plugins=plugins)
            stamp.write()
    return interpreter


def harness(home: Path, *, dev: bool = False, plugins: Sequence[Path] = ()) -> Tuple[Path, Stamp]:
    """Where the interpreter of the harness is or will be, and what says that it is whole and up to date."""
    directory = home / "venvs" / "harness"
    if IS_CHECKOUT:
        itself = [project / "pyproject.toml" for project in (CHECKOUT, *plugins)]
    else:
        itself = [carried.record()]
    name = ".millpond-dev" if dev else ".millpond-harness"
    return directory / "bin" / "python", Stamp(directory / name, [_harness_lock(dev), *itself])


def _harness_lock(dev: bool) -> Path:
    return REQUIREMENTS / ("dev.txt" if dev else "harness.txt")


def _make_harness(home: Path, interpreter: Path, *, dev: bool, plugins: Sequence[Path]) -> None:
    directory = interpreter.parent.parent
    print(f"Setting up the Python environment of the harness in {directory}", file=sys.stderr, flush=True)
    since = time.monotonic()
    uv = ensure_uv(home)
    if not (directory / COMPLETE).exists():
        python = ensure_python("3.13", home, uv)
        run(
            [str(uv), "venv", "--quiet", "--clear", "--python", str(python), str(directory)],
            "The environment of the harness could not be made",
        )
    lock = _harness_lock(dev)
    arguments = ["--no-deps", "--require-hashes", "-r", str(lock)]
    install(uv, interpreter, arguments, "The packages of the harness")
    with tempfile.TemporaryDirectory(dir=home, prefix="wheel-") as made:
        if IS_CHECKOUT:
            itself = ["--no-build-isolation", *(f"--editable={project}" for project in (CHECKOUT, *plugins))]
        else:
            itself = ["--reinstall", str(carried.wheel(Path(made)))]
        install(uv, interpreter, ["--no-deps", *itself], "Millpond itself")
    (directory / COMPLETE).touch()
    seconds, size = time.monotonic() - since, size_of(directory) >> 20
    print(f"  harness: {seconds:.1f} s, {size:,} MiB", file=sys.stderr, flush=True)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all below a directory."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file() and not file.is_symlink())


def install(uv: Path, interpreter: Path, arguments: Sequence[str], what: str, *, once: bool = False) -> None:
    """Install packages into an environment with uv; sources are built with locked build tools.

    Unless the arguments say otherwise, modules are compiled when they are first imported: most never are.

    Parameters
    ----------
    uv, interpreter : Path
    arguments : sequence of str
        Of ``uv pip install``.
    what : str
        For the error.
    once : bool
        It is large, and one place for each user has it: uv's cache does not keep it. In a checkout it does,
        as environments are made again and again there.
    """
    command = [str(uv), "pip", "install", "--quiet", "--no-config", "--python", str(interpreter)]
    command += ["--build-constraints", str(REQUIREMENTS / "build.txt"), *arguments]
    failure = f"{what} could not be installed"
    if IS_CHECKOUT or not once:
        run(command, failure)
        return
    # Below the home, where files are installed by links.
    with tempfile.TemporaryDirectory(dir=default_home(), prefix="once-") as cache:
        run([*command, "--cache-dir", cache], failure)


def uv_environment(home: Path) -> Dict[str, str]:
    """The environment for uv: Pythons below ``home``; the machine's own certificates where it has them.

    A company network often signs with its own authority, which is only in the system's store.
    """
    environment = {**os.environ, "UV_PYTHON_INSTALL_DIR": str(home / "pythons")}
    if SYSTEM_CERTIFICATES.exists():
        environment["UV_SYSTEM_CERTS"] = "1"
    return environment


def run(command: Sequence[str], failure: str, directory: Optional[Path] = None) -> None:
    """Run a command, in a directory if one is given; on failure raise with the end of what it said."""
    environment = uv_environment(default_home())
    result = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=directory, check=False
    )
    if result.returncode:
        said = (result.stderr.strip() or result.stdout.strip())[-1500:]
        raise BootstrapError(
            f"{failure}:\n{said}\nCheck the network and the free disk space, then run again."
        )


def plugin_directories(arguments: Sequence[str]) -> List[Path]:
    """The directories behind each ``--plugin=``."""
    prefix = "--plugin="
    return [Path(argument[len(prefix) :]).resolve() for argument in arguments if argument.startswith(prefix)]


def main(arguments: Sequence[str]) -> int:
    try:
        interpreter = ensure_harness(
            default_home(), dev="--dev" in arguments, plugins=plugin_directories(arguments)
        )
    except BootstrapError as error:
        print(f"millpond: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("millpond: interrupted; run the same command again to go on.", file=sys.stderr)
        return 130
    if "--quiet" not in arguments:
        print(interpreter)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
