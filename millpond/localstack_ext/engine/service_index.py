"""LocalStack's index of AWS's services, kept over starts.

LocalStack makes it of every service's model at the first request, which takes seconds and leaves 350 MB of
models in memory, and keeps it below the directory that is emptied at each start.
"""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

import botocore
from localstack import config
from localstack.version import version

VARIABLE = "MILLPOND_ENGINE_CACHE"
NAME = f"service-catalog-{version}-{botocore.__version__}".replace(".", "_") + ".dill"


def provide() -> None:
    """Put the index that an engine before has made where LocalStack looks for it."""
    _copy(_kept(), _in_use())


def keep() -> None:
    """Keep the index that this engine has made."""
    _copy(_in_use(), _kept())


def _kept() -> Path | None:
    """None when the engine was given no directory that outlives it."""
    directory = os.environ.get(VARIABLE)
    return Path(directory) / NAME if directory else None


def _in_use() -> Path:
    return Path(config.dirs.cache) / NAME


def _copy(source: Path | None, target: Path | None) -> None:
    """Copy a file that is there to where it is not, whole or not at all: other engines read it meanwhile."""
    if source is None or target is None or target.exists() or not source.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}-{uuid.uuid4().hex}.partial")
    shutil.copyfile(source, partial)
    partial.rename(target)
