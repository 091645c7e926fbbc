"""The wheel that an installed Millpond came from, made again from its files. Standard library only."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

# What installers add to the metadata of a wheel.
_OF_INSTALLERS = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json", "uv_build.json"}


def record() -> Path:
    """The list of what is installed, with the hash of each file: another one for every other Millpond."""
    return _metadata() / "RECORD"


def wheel(directory: Path) -> Path:
    """Write the wheel into a directory.

    Returns
    -------
    Path
        The file, with the name that a wheel has.
    """
    metadata = _metadata()
    site = metadata.parent
    files = [file for file in (site / "millpond").rglob("*") if file.suffix != ".pyc"]
    files += [file for file in metadata.rglob("*") if file.name not in _OF_INSTALLERS]
    name = metadata.name.rpartition(".")[0]
    lines = []
    made = directory / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(path for path in files if path.is_file()):
            content, inside = file.read_bytes(), file.relative_to(site).as_posix()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            lines.append(f"{inside},sha256={digest},{len(content)}")
            archive.write(file, inside)
        lines.append(f"{metadata.name}/RECORD,,")
        archive.writestr(f"{metadata.name}/RECORD", "\n".join(lines) + "\n")
    return made


def _metadata() -> Path:
    version = distribution("millpond").version
    metadata = Path(str(distribution("millpond").locate_file(f"millpond-{version}.dist-info")))
    return metadata.resolve()
