"""The environment of a Glue version: made on the first use of it, shared by all stacks of a user.

``python -m millpond.toolchain.glue`` is what the Glue plane runs when a job run needs something that is not
there; what it says while it works goes to the log of that run, and where everything is comes out as JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from millpond.base.errors import MillpondError
from millpond.planes.glue.versions import VERSIONS, GlueVersion
from millpond.toolchain import bootstrap, maven
from millpond.toolchain.ivy import Ivy

TELL_EVERY_SECONDS = 20.0


@dataclass(frozen=True)
class Places:
    """Where things are of this machine and this user.

    Parameters
    ----------
    home : Path
        Of the checkout: uv and its Pythons.
    cache : Path
        Of the user: environments and jars of Glue versions.
    java : Path
        The program ``java``.
    mirror : str
        Maven repository that stands in for Maven Central; empty for that itself.
    """

    home: Path
    cache: Path
    java: Path
    mirror: str = ""

    @property
    def jars(self) -> Path:
        return self.cache / "jars"


def interpreter_of(version: GlueVersion, cache: Path) -> Path:
    """Where the Python of a version's environment is, or will be."""
    return cache / f"glue-{version.name}" / "bin" / "python"


def lock_of(version: GlueVersion) -> Path:
    """The locked packages of a version's environment."""
    return bootstrap.REQUIREMENTS / f"glue-{version.name}.txt"


def is_made(version: GlueVersion, cache: Path) -> bool:
    """Whether the environment of a version is there, whole."""
    directory = cache / f"glue-{version.name}"
    return _stamp(directory, lock_of(version)).is_current and interpreter_of(version, cache).exists()


def ensure_interpreter(version: GlueVersion, places: Places, tell: Callable[[str], None]) -> Path:
    """The Python of a version's environment, made if it is not there.

    Raises
    ------
    BootstrapError
        If it cannot be made.
    """
    interpreter, lock = interpreter_of(version, places.cache), lock_of(version)
    if is_made(version, places.cache):
        return interpreter
    places.cache.mkdir(parents=True, exist_ok=True)
    directory = interpreter.parent.parent
    with FileLock(places.cache / f"glue-{version.name}.lock"):
        if is_made(version, places.cache):
            return interpreter
        with _telling(f"making the environment of {version.title}, for the first job that needs it", tell):
            uv = bootstrap.ensure_uv(places.home)
            python = bootstrap.ensure_python(version.python, places.home, uv)
            bootstrap.run(
                [str(uv), "venv", "--quiet", "--clear", "--python", str(python), str(directory)],
                f"The environment of {version.title} could not be made",
            )
            bootstrap.install(
                uv,
                interpreter,
                ["--no-deps", "--require-hashes", "-r", str(lock)],
                f"The packages of {version.title}",
                once=True,
            )
            _stamp(directory, lock).write()
    return interpreter


def ensure_modules(name: str, interpreter: Path, places: Places, tell: Callable[[str], None]) -> Path:
    """A directory with the Python modules that Glue provides, for the ``PYTHONPATH``.

    Parameters
    ----------
    name : str
        Of their lock, for example ``glue-5.1-modules``.
    interpreter : Path
        Which Python they are for.
    places : Places
        Where to.
    tell : callable
        Takes a line for whoever waits.

    Raises
    ------
    BootstrapError
        If one cannot be had.
    """
    lock = bootstrap.REQUIREMENTS / f"{name}.txt"
    directory = places.cache / name
    stamp = _stamp(directory, lock)
    if stamp.is_current:
        return directory
    places.cache.mkdir(parents=True, exist_ok=True)
    with FileLock(places.cache / f"{name}.lock"):
        if not stamp.is_current:
            shutil.rmtree(directory, ignore_errors=True)
            with _telling(f"installing the Python modules that Glue provides ({name})", tell):
                bootstrap.install(
                    bootstrap.ensure_uv(places.home),
                    interpreter,
                    ["--no-deps", "--require-hashes", "--target", str(directory), "-r", str(lock)],
                    f"The modules of {name}",
                )
                stamp.write()
    return directory


def ensure_jars(
    sets: Sequence[str], spark_python: Path, places: Places, tell: Callable[[str], None]
) -> list[Path]:
    """The jars of sets of ``requirements/maven.in``.

    Raises
    ------
    MillpondError
        If one cannot be had.
    """
    maven.fetch(sets, places.jars, Ivy.of(places.java, spark_python, places.mirror), tell)
    return maven.jars_of(sets, places.jars)


@contextmanager
def _telling(what: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Say what is being done, that it still is, and how long it took."""
    done = threading.Event()
    start = time.monotonic()
    tell(what)

    def go_on() -> None:
        while not done.wait(TELL_EVERY_SECONDS):
            tell(f"{what}: {time.monotonic() - start:.0f} s so far")

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    tell(f"{what}: done after {time.monotonic() - start:.0f} s")


def _stamp(directory: Path, lock: Path) -> bootstrap.Stamp:
    return bootstrap.Stamp(directory / ".millpond-stamp", [lock])


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="millpond.toolchain.glue")
    for name in ("home", "cache", "java"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--mirror", default="")
    parser.add_argument("--version", choices=sorted(VERSIONS))
    parser.add_argument("--python", type=Path, help="the interpreter, where it is there already")
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--modules", default="", help="lock of the modules, if they are wanted")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    wanted = _arguments(argv)
    places = Places(wanted.home, wanted.cache, wanted.java, wanted.mirror)

    def tell(line: str) -> None:
        sys.stderr.write(f"Millpond: {line}\n")
        sys.stderr.flush()

    try:
        python = wanted.python or ensure_interpreter(VERSIONS[wanted.version], places, tell)
        made = {
            "python": str(python),
            "jars": [str(jar) for jar in ensure_jars(wanted.sets, python, places, tell)]
            if wanted.sets
            else [],
            "modules": str(ensure_modules(wanted.modules, python, places, tell)) if wanted.modules else "",
        }
    except (MillpondError, bootstrap.BootstrapError) as error:
        sys.stdout.write(json.dumps({"error": str(error)}))
        return 1
    sys.stdout.write(json.dumps(made))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
