"""The two images that Millpond builds: what goes into them, and when they have to be built anew.

A build context is staged below ``.millpond/images``: packages are resolved here, by uv from the lock files,
with the machine's own certificates and package index, so that the build itself needs no network.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from millpond.base.config import CHECKOUT, Settings
from millpond.base.errors import MillpondError
from millpond.planes.common.context import Tools
from millpond.toolchain import bootstrap
from millpond.toolchain.wheels import LOCKS, keep_wheels

# LocalStack's current images ask for it; the one that Millpond builds on is the last that does not.
TOKEN = "LOCALSTACK_AUTH_TOKEN"  # noqa: S105 (the name of a variable)
# Where the Dockerfiles put what they copy.
INSTALLED = Path("/usr/local/lib/millpond")
# On the engine's volume.
CACHE = Path("/var/lib/millpond/cache")
# Part of AWS's image and of the stand-in.
OF_THE_GLUE_IMAGE = ("pyspark", "py4j", "boto3", "botocore", "s3transfer", "jmespath")
# Beside AWS's own awsglue: what the plane needs around a script.
OF_THE_RUNTIME = (
    "glue_runtime/sitecustomize.py",
    "glue_runtime/endpoint_of_the_stack.py",
    "glue_runtime/conf/log4j2.properties",
)
# The Glue image is Amazon Linux 2023.
GLUE_GLIBC = "2_34"


@dataclass(frozen=True)
class Image:
    """One image that is built here.

    Parameters
    ----------
    name : str
        ``engine`` or ``glue``; also the directory below ``docker/`` and the repository's last part.
    base : str
        The image that it builds on.
    """

    name: str
    base: str

    @property
    def dockerfile(self) -> Path:
        return CHECKOUT / "docker" / self.name / "Dockerfile"

    @cached_property
    def tag(self) -> str:
        """Name and tag; the tag changes with everything that goes into the image."""
        digest = hashlib.sha256(self.base.encode())
        for path in _sources(self.name):
            digest.update(f"\0{path.relative_to(CHECKOUT)}\0".encode() + path.read_bytes())
        return f"millpond-{self.name}:{digest.hexdigest()[:12]}"


def images(settings: Settings) -> tuple[Image, Image]:
    """The engine's image and the Glue worker's."""
    return Image("engine", settings.localstack_image), Image("glue", settings.glue_image)


def is_localstacks_own(settings: Settings) -> bool:
    """Whether LocalStack's image runs as it is, without our plug-in: with a token and an image of that kind.

    A token alone, as many machines have one, changes nothing.

    Parameters
    ----------
    settings : Settings
        ``localstack_image`` is another than the default.
    """
    default = Settings.model_fields["localstack_image"].default
    return bool(os.environ.get(TOKEN)) and settings.localstack_image != default


def container_tools() -> Tools:
    """What the planes run in the engine's container; Glue's own programs are in the worker's image."""
    return Tools(
        java_home=INSTALLED,
        spark_python=Path("python3.11"),
        shell_python=Path("python3.9"),
        harness_python=INSTALLED / "python",
        # There are none in it: its parent is where what a build downloads is kept.
        jars_dir=CACHE / "jars",
        glue_runtime=INSTALLED / "glue_runtime",
        lambda_python={"python3.13": INSTALLED / "lambda" / "bin" / "python"},
        wheels=INSTALLED / "wheels",
    )


def context_directory(image: Image, settings: Settings) -> Path:
    """Where the build context of an image is, while it is built."""
    return settings.home / "images" / image.name


def stage(image: Image, settings: Settings) -> None:
    """Make the build context of an image.

    Parameters
    ----------
    image : Image
        Which.
    settings : Settings
        ``home`` is where the contexts and uv are.

    Raises
    ------
    MillpondError
        If a package cannot be had.
    """
    directory = context_directory(image, settings)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for path in sorted(image.dockerfile.parent.iterdir()):
        shutil.copy(path, directory / path.name)
    try:
        (_stage_engine if image.name == "engine" else _stage_glue)(directory, settings.home)
    except bootstrap.BootstrapError as error:
        raise MillpondError(
            f"What goes into the image {image.tag} could not be made.",
            where=str(directory),
            next_step="millpond up",
            detail=str(error),
        ) from error


def _stage_engine(directory: Path, home: Path) -> None:
    _packages(home, directory / "packages", "3.13", ["--no-deps", "-r", _lock("engine")])
    _packages(home, directory / "lambda", "3.13", ["-r", _lock("lambda")])
    shutil.copytree(CHECKOUT / "glue_runtime", directory / "glue_runtime", ignore=_NO_CACHES)
    (directory / "tools.json").write_text(container_tools().to_json())
    for name, target in LOCKS.items():
        keep_wheels(Path(_lock(name)), target, directory / "wheels", bootstrap.find_pip(home))
    built = directory / "built"
    result = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(built)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise bootstrap.BootstrapError(f"The wheel of the plug-in: {result.stderr.strip()[-1500:]}")
    wheel = next(built.glob("*.whl"))
    _packages(home, directory / "plugin", "3.13", ["--no-deps", "--no-verify-hashes", str(wheel)])
    shutil.rmtree(built)


def _stage_glue(directory: Path, home: Path) -> None:
    spark = directory / "spark-requirements.txt"
    spark.write_text("\n".join(_without(CHECKOUT / "requirements" / "glue-spark.txt", OF_THE_GLUE_IMAGE)))
    _packages(home, directory / "spark", "3.11", ["--no-deps", "-r", str(spark)], GLUE_GLIBC)
    _packages(home, directory / "shell", "3.9", ["-r", _lock("glue-shell")], GLUE_GLIBC)
    # AWS's awsglue is for the Python of Spark; a Python shell job has its utilities too.
    shutil.copytree(CHECKOUT / "glue_runtime" / "awsglue", directory / "shell" / "awsglue", ignore=_NO_CACHES)
    spark.unlink()
    (directory / "runtime").mkdir()
    for part in OF_THE_RUNTIME:
        shutil.copy(CHECKOUT / part, directory / "runtime")


_NO_CACHES = shutil.ignore_patterns("__pycache__")


def _lock(name: str) -> str:
    return str(bootstrap.REQUIREMENTS / f"{name}.txt")


def _packages(home: Path, target: Path, python: str, what: list[str], glibc: str = "2_36") -> None:
    """Install packages for a Python that need not be on this machine; wheels only."""
    target.mkdir(exist_ok=True)
    bootstrap.run(
        [str(bootstrap.ensure_uv(home)), "pip", "install", "--quiet", "--no-config", "--only-binary", ":all:"]
        + ["--python", sys.executable, "--python-version", python, "--target", str(target)]
        + ["--python-platform", f"{platform.machine()}-manylinux_{glibc}", *what],
        f"The packages for {target.name}",
    )


def _without(lock: Path, names: tuple[str, ...]) -> Iterator[str]:
    """The lines of a lock file that are not about these packages."""
    is_wanted = True
    for line in lock.read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            is_wanted = line.partition("=")[0].strip().lower() not in names
        if is_wanted:
            yield line


def _sources(name: str) -> list[Path]:
    """What an image is made of, in this checkout."""
    patterns = {
        "engine": (
            "docker/engine/*",
            "glue_runtime/**/*",
            "millpond/**/*.py",
            "millpond/**/*.mjs",
            "pyproject.toml",
            "requirements/engine.txt",
            "requirements/lambda.txt",
            "requirements/lambda-vendored.txt",
            "requirements/glue-shell.txt",
        ),
        "glue": (
            "docker/glue/*",
            *OF_THE_RUNTIME,
            "glue_runtime/awsglue/**/*.py",
            "requirements/glue-shell.txt",
            "requirements/glue-spark.txt",
        ),
    }[name]
    found = {path for pattern in patterns for path in CHECKOUT.glob(pattern)}
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)
