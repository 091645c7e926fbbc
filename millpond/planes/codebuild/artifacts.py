"""Artifacts: what a build puts into S3.

Source: ``ProjectArtifacts`` in the CodeBuild API Reference, which also says how the object is named.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millpond.planes.codebuild.builds import Shape

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_EPOCH = (1980, 1, 1, 0, 0, 0)


def object_key(settings: Mapping[str, Any], uuid: str, name: str = "") -> str:
    """Key of the artifact, or what its keys begin with: path, build id, name.

    Parameters
    ----------
    settings : mapping
        ``ProjectArtifacts``.
    uuid : str
        Of the build.
    name : str
        From the buildspec; used with ``overrideArtifactName``.
    """
    if not (name and settings.get("overrideArtifactName")):
        name = settings["name"]
    namespace = uuid if settings["namespaceType"] == "BUILD_ID" else ""
    parts = (settings.get("path", ""), namespace, name)
    return "/".join(stripped for part in parts if (stripped := part.strip("/")))


def upload(s3: S3Client, settings: Mapping[str, Any], key: str, chosen: Mapping[str, Path]) -> Shape:
    """Put files into S3; the ``BuildArtifacts`` of the API."""
    bucket = settings["location"].removeprefix("arn:aws:s3:::")
    shape: Shape = {
        "location": f"arn:aws:s3:::{bucket}/{key}",
        "encryptionDisabled": settings["encryptionDisabled"],
    }
    for member in ("overrideArtifactName", "artifactIdentifier", "bucketOwnerAccess"):
        if settings.get(member) is not None:
            shape[member] = settings[member]
    if settings["packaging"] == "ZIP":
        content = zipped(chosen)
        s3.put_object(Bucket=bucket, Key=key, Body=content)
        digests = {
            "md5sum": hashlib.md5(content, usedforsecurity=False),
            "sha256sum": hashlib.sha256(content),
        }
        return shape | {name: digest.hexdigest() for name, digest in digests.items()}
    for name, path in chosen.items():
        s3.upload_file(str(path), bucket, f"{key}/{name}" if key else name)
    return shape


def zipped(chosen: Mapping[str, Path]) -> bytes:
    """A ZIP file with the files' permissions, the same bytes for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(chosen):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100000 | chosen[name].stat().st_mode & 0o777) << 16
            archive.writestr(entry, chosen[name].read_bytes())
    return buffer.getvalue()
