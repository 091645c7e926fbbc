"""Build what Terraform uploads: Lambda zips, job scripts and the ingest library.

The same sources give the same bytes on every machine, so that a deploy changes only what changed:
names are sorted, times and modes fixed, and nothing is compressed.

``python3 -m millpond.package DIRECTORY`` needs nothing but the standard library, so that a build that has
only the checkout can run it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from millpond import __version__
from millpond.errors import MillpondError
from millpond.wheels import find_wheels, unpack

CHECKOUT = Path(__file__).resolve().parent.parent
SHELL_PYTHON = "3.9"
SHELL_REQUIREMENTS = Path("requirements/glue-shell")
LIBRARY = "ingest"
VENDORED = Path("requirements/lambda-vendored.txt")
SHARED = "shared"
_NO_FUNCTION = (SHARED, "__pycache__")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_REGULAR_FILE = 0o100644 << 16
_REQUIREMENT = re.compile(
    r"(?P<name>[\w.-]+)(?:\[(?P<extras>[\w, .-]+)\])?(?P<pin>==[^\s;]+)?\s*(?:;\s*(?P<marker>.+))?"
)
_COMPARISON = re.compile(r"(?P<name>\w+) (?P<operator><|<=|==|!=|>=|>) '(?P<value>[^']*)'")
# What Glue's Python shell jobs run on.
_SHELL_ENVIRONMENT = {"implementation_name": "cpython", "sys_platform": "linux", "platform_machine": "x86_64"}


@dataclass(frozen=True)
class Parts:
    """What a function's zip holds beside the function's own folder.

    Parameters
    ----------
    shared : tuple of str
        Modules of ``lambdas/shared``.
    library : tuple of str
        Modules of the ingest library, so that both know a source's types alike.
    has_wheels : bool
        Whether it brings the wheels of ``requirements/lambda-vendored.txt``.
    """

    shared: tuple[str, ...] = ()
    library: tuple[str, ...] = ()
    has_wheels: bool = False


# Those of the functions that have more than their own folder.
FUNCTIONS = {
    "plan": Parts(shared=("onprem.py",), has_wheels=True),
    "register": Parts(shared=("onprem.py",), library=("__init__.py", "source_types.py"), has_wheels=True),
    "rotate": Parts(shared=("onprem.py",), has_wheels=True),
}


@dataclass(frozen=True)
class PackagedFile:
    """Digest of one built file.

    Parameters
    ----------
    sha256 : str
        Hexadecimal.
    base64sha256 : str
        The same in base64, as Lambda reports it.
    """

    sha256: str
    base64sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a build made; ``manifest.json`` beside the files holds the same.

    Parameters
    ----------
    directory : Path
        Where the files are.
    files : mapping of str to PackagedFile
        By path below ``directory``, which is also the key in the artifacts bucket.
    libraries : mapping of str to str
        Path of the ingest library for each engine.
    shell_modules : tuple of str
        Pinned modules of the Python shell job, for ``--additional-python-modules``.
    """

    directory: Path
    files: Mapping[str, PackagedFile]
    libraries: Mapping[str, str]
    shell_modules: tuple[str, ...]

    def to_json(self) -> str:
        content = asdict(self)
        del content["directory"]
        return json.dumps(content, indent=2, sort_keys=True) + "\n"


def build(output: Path, checkout: Path = CHECKOUT) -> Manifest:
    """Build everything into a directory, which is emptied first.

    Parameters
    ----------
    output : Path
        Directory to fill.
    checkout : Path
        Where ``glue_jobs``, ``lambdas`` and ``requirements`` are.

    Raises
    ------
    MillpondError
        If a source is missing.
    """
    jobs = checkout / "glue_jobs"
    library = _sources(jobs / LIBRARY, jobs)
    wheel_name = f"glue/millpond_ingest-{__version__}-py3-none-any.whl"
    contents = {
        f"glue/{LIBRARY}.zip": to_zip(library),
        wheel_name: to_wheel(library, "millpond_ingest", __version__),
        **{f"glue/{path.name}": path.read_bytes() for path in _scripts(jobs)},
        **{f"lambdas/{name}.zip": to_zip(files) for name, files in _functions(checkout).items()},
    }
    manifest = Manifest(
        directory=output,
        files={name: _digest(content) for name, content in sorted(contents.items())},
        # Spark jobs take a zip, Python shell jobs a wheel.
        libraries={"spark": f"glue/{LIBRARY}.zip", "shell": wheel_name},
        shell_modules=pinned_modules(checkout / SHELL_REQUIREMENTS, SHELL_PYTHON),
    )
    _write(output, contents, manifest)
    return manifest


def to_zip(files: Mapping[str, bytes]) -> bytes:
    """A zip archive that depends on nothing but the names and contents of its files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = _REGULAR_FILE
            entry.create_system = 3
            archive.writestr(entry, content)
    return buffer.getvalue()


def to_wheel(files: Mapping[str, bytes], distribution: str, version: str) -> bytes:
    """A pure Python wheel, in the binary distribution format 1.0 of the Python packaging specifications."""
    info = f"{distribution}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
    tags = "Wheel-Version: 1.0\nGenerator: millpond\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    contents = {**files, f"{info}/METADATA": metadata.encode(), f"{info}/WHEEL": tags.encode()}
    record = f"{info}/RECORD"
    lines = [
        f"{name},sha256={_url_safe(content)},{len(content)}" for name, content in sorted(contents.items())
    ]
    return to_zip({**contents, record: "\n".join([*lines, f"{record},,", ""]).encode()})


def pinned_modules(requirements: Path, python: str) -> tuple[str, ...]:
    """The modules that ``requirements.in`` asks for, at the versions that ``requirements.txt`` locks.

    Parameters
    ----------
    requirements : Path
        Both files, without their suffix.
    python : str
        Version of the interpreter they are for, for example ``3.9``.
    """
    asked = [_requirement(line) for line in _requirement_lines(requirements.with_suffix(".in"))]
    locked = {
        _normal(one["name"]): one["pin"]
        for one in map(_requirement, _requirement_lines(requirements.with_suffix(".txt")))
        if one["marker"] is None or _holds(one["marker"], python)
    }
    modules = []
    for one in asked:
        if _normal(one["name"]) not in locked:
            raise MillpondError(
                f"{one['name']} is not locked for Python {python}.",
                where=str(requirements.with_suffix(".txt")),
                next_step="make lock",
            )
        extras = f"[{one['extras'].replace(' ', '')}]" if one["extras"] else ""
        modules.append(f"{one['name']}{extras}{locked[_normal(one['name'])]}")
    return tuple(modules)


def _requirement(line: str) -> re.Match[str]:
    """One requirement, in the form that ``uv pip compile`` writes (PEP 508 without addresses)."""
    found = _REQUIREMENT.fullmatch(line)
    if not found:
        raise MillpondError(f"This is not a requirement: {line}", next_step="make lock")
    return found


def _holds(marker: str, python: str) -> bool:
    """Whether a marker of the lock, comparisons joined by ``and``, is true of a Python shell job."""
    return all(_is_true(comparison.strip(), python) for comparison in marker.split(" and "))


def _is_true(comparison: str, python: str) -> bool:
    found = _COMPARISON.fullmatch(comparison)
    if found and found["name"] == "python_full_version":
        wanted = _numbers(found["value"].removesuffix(".*"))
        own = _numbers(python)
        if found["value"].endswith(".*"):
            own = own[: len(wanted)]
        return _compare(own, found["operator"], wanted)
    if found and found["name"] in _SHELL_ENVIRONMENT:
        return _compare(_SHELL_ENVIRONMENT[found["name"]], found["operator"], found["value"])
    raise MillpondError(
        f"The lock has a marker that nobody foresaw: {comparison}", where=str(SHELL_REQUIREMENTS)
    )


def _compare(left: str | tuple[int, ...], operator: str, right: str | tuple[int, ...]) -> bool:
    is_less, is_equal = left < right, left == right  # type: ignore[operator]
    return {
        "<": is_less,
        "<=": is_less or is_equal,
        "==": is_equal,
        "!=": not is_equal,
        ">=": not is_less,
        ">": not is_less and not is_equal,
    }[operator]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _requirement_lines(path: Path) -> list[str]:
    lines = (line.split(" #")[0].rstrip("\\ ") for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.lstrip().startswith(("#", "-"))]


def _functions(checkout: Path) -> dict[str, dict[str, bytes]]:
    """Each function's files: its own, those it shares, and the wheels it brings."""
    lambdas, library = checkout / "lambdas", checkout / "glue_jobs" / LIBRARY
    folders = [path for path in sorted(lambdas.iterdir()) if path.is_dir() and path.name not in _NO_FUNCTION]
    parts = {folder.name: FUNCTIONS.get(folder.name, Parts()) for folder in folders}
    has_wheels = any(one.has_wheels for one in parts.values())
    wheels = unpack(find_wheels(checkout / VENDORED)) if has_wheels else {}
    return {
        name: {
            **(wheels if one.has_wheels else {}),
            **{f"{LIBRARY}/{module}": (library / module).read_bytes() for module in one.library},
            **{module: (lambdas / SHARED / module).read_bytes() for module in one.shared},
            **_sources(lambdas / name, lambdas / name),
        }
        for name, one in parts.items()
    }


def _scripts(jobs: Path) -> list[Path]:
    scripts = sorted(jobs.glob("*.py"))
    if not scripts:
        raise MillpondError("There is no job script to package.", where=str(jobs))
    return scripts


def _sources(folder: Path, base: Path) -> dict[str, bytes]:
    paths: Iterable[Path] = (path for path in folder.rglob("*") if path.is_file())
    files = {
        path.relative_to(base).as_posix(): path.read_bytes()
        for path in paths
        if "__pycache__" not in path.parts
    }
    if not files:
        raise MillpondError(f"There is nothing to package in {folder.name}.", where=str(folder))
    return files


def _write(output: Path, contents: Mapping[str, bytes], manifest: Manifest) -> None:
    if output.exists():
        shutil.rmtree(output)
    for name, content in contents.items():
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (output / "manifest.json").write_text(manifest.to_json())


def _digest(content: bytes) -> PackagedFile:
    digest = hashlib.sha256(content).digest()
    return PackagedFile(digest.hex(), base64.b64encode(digest).decode())


def _url_safe(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def main(arguments: Sequence[str]) -> int:
    """Build into the directory that is named, ``dist`` unless given, and print the manifest."""
    output = Path(arguments[0]) if arguments else CHECKOUT / "dist"
    try:
        manifest = build(output)
    except MillpondError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for name, digest in manifest.files.items():
        sys.stdout.write(f"{digest.sha256}  {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
