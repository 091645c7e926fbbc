"""The runtimes of Lambda that run here, and what their processes are started with.

Sources: "Lambda runtimes", "Working with layers for Python Lambda functions" and "Working with layers for
Node.js Lambda functions" in the Lambda developer guide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from millpond.planes.functions.exceptions import FunctionError

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Runtime:
    """A runtime of Lambda.

    Parameters
    ----------
    name : str
        For example ``nodejs22.x``.
    version : str
        Of its language, for example ``22`` or ``3.13``.
    """

    name: str
    version: str

    @property
    def is_python(self) -> bool:
        return self.name.startswith("python")


RUNTIMES: Mapping[str, Runtime] = {
    runtime.name: runtime
    for runtime in (
        *(Runtime(f"python3.{minor}", f"3.{minor}") for minor in range(9, 15)),
        *(Runtime(f"nodejs{major}.x", str(major)) for major in (18, 20, 22, 24)),
    )
}


@dataclass(frozen=True)
class Interpreter:
    """What runs the functions of a runtime.

    Parameters
    ----------
    runtime : Runtime
        Which.
    program : Path
        Python or Node.
    modules : Path, optional
        ``node_modules`` of the packages that the runtime brings; Python has them in its own environment.
    """

    runtime: Runtime
    program: Path
    modules: Path | None = None

    @property
    def bootstrap(self) -> Path:
        """The program that runs inside a function's process."""
        return _HERE / ("bootstrap.py" if self.runtime.is_python else "bootstrap.mjs")

    def command(self, channel: int) -> list[str]:
        """What starts a function's process.

        Parameters
        ----------
        channel : int
            Descriptor of the socket on which the process talks to its sandbox.
        """
        if self.runtime.is_python:
            return [str(self.program), "-u", str(self.bootstrap), str(channel)]
        return [
            str(self.program),
            *_NODE_OPTIONS.get(self.runtime.version, ()),
            str(self.bootstrap),
            str(channel),
        ]

    def search_path(self, layers: Sequence[Path], environment: Mapping[str, str]) -> dict[str, str]:
        """The variable by which the language finds the packages of layers, the first layer first.

        Parameters
        ----------
        layers : sequence of Path
            The unzipped layers.
        environment : mapping
            The function's own variables: what it sets itself comes last.
        """
        version = self.runtime.version
        if self.runtime.is_python:
            name, below = "PYTHONPATH", ("python", f"python/lib/python{version}/site-packages")
        else:
            name, below = "NODE_PATH", (f"nodejs/node{version}/node_modules", "nodejs/node_modules")
        directories = [str(layer / folder) for layer in layers for folder in below]
        directories += [str(self.modules)] if self.modules else []
        directories += [environment[name]] if name in environment else []
        return {name: ":".join(directories)} if directories else {}


# Without them import statements are not resolved by NODE_PATH: releases before 18.19 know no other way.
_NODE_OPTIONS = {"18": ("--no-warnings", "--experimental-loader", (_HERE / "bootstrap_modules.mjs").as_uri())}


def runtime_named(name: str) -> Runtime:
    """The runtime of a name.

    Raises
    ------
    FunctionError
        If it does not run here; it says what to do.
    """
    try:
        return RUNTIMES[name]
    except KeyError:
        raise FunctionError(
            "InvalidParameterValueException",
            f"Functions of the runtime {name} cannot be run here. These can: {', '.join(RUNTIMES)}. Deploy "
            "the function to AWS, or give it a runtime of this list here.",
        ) from None
