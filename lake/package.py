"""Build what Terraform uploads: Lambda zips, job scripts and the ingest library.

The same sources give the same bytes on every machine, so that a deploy changes only what changed:
names are sorted, times and modes fixed, and nothing is compressed.

``python3 -m lake.package DIRECTORY`` needs nothing but the standard library, so that a build that has
only the checkout can run it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from millpond import __version__
from millpond.base.errors import MillpondError
from millpond.toolchain.wheels import (
    GLUE_SHELL,
    LAMBDA,
    find_wheels,
    record_line,
    unpack,
    without_requirements,
)

CHECKOUT = Path(__file__).resolve().parent.parent
LIBRARY = "ingest"
VENDORED = Path("requirements/lambda-vendored.txt")
SHELL_MODULES = Path("requirements/glue-shell-3.9.txt")
SHARED = "shared"
_NO_FUNCTION = (SHARED, "__pycache__")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_REGULAR_FILE = 0o100644 << 16


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
_SETTINGS = ("__init__.py", "job_settings.json", "settings_schema.py")
_DIALECTS = ("dialect.py", "dialects.py", "errors.py", "mysql.py", "postgresql.py")
FUNCTIONS = {
    "notify": Parts(library=_SETTINGS),
    "plan": Parts(shared=("onprem.py",), library=(*_SETTINGS, *_DIALECTS), has_wheels=True),
    "register": Parts(
        shared=("onprem.py",), library=(*_SETTINGS, *_DIALECTS, "names.py", "settings.py"), has_wheels=True
    ),
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
    modules : mapping of str to tuple of str
        Paths of the wheels that the job of each engine brings beside the library.
    """

    directory: Path
    files: Mapping[str, PackagedFile]
    libraries: Mapping[str, str]
    modules: Mapping[str, tuple[str, ...]]

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
    wheels = _shell_modules(checkout / SHELL_MODULES)
    wheel_name = f"glue/millpond_ingest-{__version__}-py3-none-any.whl"
    contents = {
        f"glue/{LIBRARY}.zip": to_zip(library),
        wheel_name: to_wheel(library, "millpond_ingest", __version__),
        **{f"glue/{path.name}": path.read_bytes() for path in _scripts(jobs)},
        **{f"lambdas/{name}.zip": to_zip(files) for name, files in _functions(checkout).items()},
        **wheels,
    }
    manifest = Manifest(
        directory=output,
        files={name: _digest(content) for name, content in sorted(contents.items())},
        # Spark jobs take a zip, Python shell jobs a wheel.
        libraries={"spark": f"glue/{LIBRARY}.zip", "shell": wheel_name},
        # A Spark job needs nothing that Glue does not have.
        modules={"spark": (), "shell": tuple(wheels)},
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
    lines = [record_line(name, content) for name, content in sorted(contents.items())]
    return to_zip({**contents, record: "\n".join([*lines, f"{record},,", ""]).encode()})


def _shell_modules(lock: Path) -> dict[str, bytes]:
    """The wheels of the Python shell job, below a key of their own for each set of them.

    A run that has begun while another set is deployed still finds its own.
    """
    wheels = {name: without_requirements(wheel) for name, wheel in find_wheels(lock, GLUE_SHELL).items()}
    digest = hashlib.sha256()
    for name, wheel in wheels.items():
        digest.update(f"{name} {hashlib.sha256(wheel).hexdigest()}\n".encode())
    return {f"wheels/{digest.hexdigest()[:16]}/{name}": wheel for name, wheel in wheels.items()}


def _functions(checkout: Path) -> dict[str, dict[str, bytes]]:
    """Each function's files: its own, those it shares, and the wheels it brings."""
    lambdas, library = checkout / "lambdas", checkout / "glue_jobs" / LIBRARY
    folders = [path for path in sorted(lambdas.iterdir()) if path.is_dir() and path.name not in _NO_FUNCTION]
    parts = {folder.name: FUNCTIONS.get(folder.name, Parts()) for folder in folders}
    has_wheels = any(one.has_wheels for one in parts.values())
    wheels = unpack(find_wheels(checkout / VENDORED, LAMBDA).values()) if has_wheels else {}
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
