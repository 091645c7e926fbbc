"""The JVMs of Spark runs: started by the plane, the next one before a run asks for it.

Starting Spark's JVM is most of what a small Spark run waits for. Each JVM here is what PySpark's own launcher
starts (``SparkSubmit pyspark-shell`` with a py4j gateway), and serves one run; the script finds it through
``PYSPARK_GATEWAY_PORT`` and ``PYSPARK_GATEWAY_SECRET``. After the first successful run the classes
that it loaded are kept in a class data sharing archive, from which later JVMs start with a third of the work.
"""

from __future__ import annotations

import hashlib
import itertools
import shlex
import shutil
import struct
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from millpond.base import process
from millpond.base.waiting import scaled
from millpond.planes.common import isolation
from millpond.planes.common.context import PlaneContext
from millpond.planes.common.isolation import Fence
from millpond.planes.glue.exceptions import LaunchError
from millpond.planes.glue.modules import interpreter_facts
from millpond.planes.glue.staging import runs_directory

_READY_SECONDS = 60.0
_ARCHIVE_SECONDS = 120.0
# Memory is short on a laptop, and so is its disk: an archive has up to 190 MB.
_VERSIONS_WAITING = 2
_ARCHIVES_KEPT = 8

# Spark on Java 17 needs these opened ("JavaModuleOptions" in Spark's launcher).
_OPENED_PACKAGES = (
    "java.lang",
    "java.lang.invoke",
    "java.lang.reflect",
    "java.io",
    "java.net",
    "java.nio",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "jdk.internal.ref",
    "sun.nio.ch",
    "sun.nio.cs",
    "sun.security.action",
    "sun.util.calendar",
)
# S3A speaks TLS with the engine, whose certificate is its own: the SDK tells a KMS key over TLS only.
ENGINE_OPTIONS = ("-Dcom.amazonaws.sdk.disableCertChecking=true",)
_OPTIONS = (
    "-XX:+IgnoreUnrecognizedVMOptions",
    *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED_PACKAGES),
    "--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    "-Djdk.reflect.useDirectMethodHandle=false",
    "-Djava.net.preferIPv4Stack=true",
    *ENGINE_OPTIONS,
    "-Duser.timezone=UTC",
    "-XX:+UseParallelGC",
    # The JVM's own warnings would land in the output log of the job; its errors are shown.
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
)


@dataclass(frozen=True)
class JvmSpec:
    """What a JVM must be started with, because it cannot take it later.

    Parameters
    ----------
    heap : str
        Largest heap, as Java and Spark write it, for example ``2048m``.
    options : tuple of str
        Further options of the JVM.
    class_path : tuple of str
        What comes after Spark's own jars.
    submit_conf : tuple of (str, str)
        Spark properties that act on submission, such as ``spark.jars.packages``.
    python : Path, optional
        Interpreter of the Glue version's environment, which has the PySpark.
    jars : tuple of Path
        What the run's version and its table formats bring beside Spark's own jars.
    has_executors : bool
        Whether it starts executors, which work below ``SPARK_HOME``.
    """

    heap: str
    options: tuple[str, ...] = ()
    class_path: tuple[str, ...] = ()
    submit_conf: tuple[tuple[str, str], ...] = ()
    python: Path | None = None
    jars: tuple[Path, ...] = ()
    has_executors: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether another run may want the same."""
        return not (self.options or self.class_path or self.submit_conf or self.has_executors)


@dataclass
class Jvm:
    """One JVM, waiting or in use.

    Parameters
    ----------
    child : Popen
        The JVM; its stdin stays open, because it ends when that closes: it never outlives the engine.
    owned : OwnedProcess
        The same, as recorded in its pid file.
    folder : Path
        Its directory, removed with it.
    spec : JvmSpec
        What it was started with.
    archives_to : Path, optional
        Where it writes its loaded classes when it ends.
    """

    child: subprocess.Popen[bytes]
    owned: process.OwnedProcess
    folder: Path
    spec: JvmSpec
    archives_to: Path | None = None

    @property
    def stdout(self) -> Path:
        return self.folder / "stdout.log"

    @property
    def stderr(self) -> Path:
        return self.folder / "stderr.log"

    @property
    def is_running(self) -> bool:
        return self.child.poll() is None

    def wait(self) -> bool:
        """Wait until its gateway listens; False if it ended, or takes too long."""
        deadline = time.monotonic() + scaled(_READY_SECONDS)
        while not (self.folder / "connection").exists():
            if not self.is_running or time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return self.is_running

    def gateway(self) -> tuple[int, str]:
        """Port and secret, as Spark's ``PythonGatewayServer`` writes them."""
        content = (self.folder / "connection").read_bytes()
        port, length = struct.unpack_from(">ii", content)
        return port, content[8 : 8 + length].decode()

    def end_by_itself(self, timeout: float) -> bool:
        """Close its stdin, on which it ends in good order; whether it did in that many seconds."""
        if self.child.stdin is not None:
            self.child.stdin.close()
        try:
            return self.child.wait(timeout) == 0
        except subprocess.TimeoutExpired:
            return False

    def stop(self, timeout: float = 5.0) -> None:
        self.owned.stop(timeout)
        if self.child.stdin is not None:
            self.child.stdin.close()
        self.child.wait()
        process.end_marked(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)


class JvmPool:
    """Gives each Spark run its JVM, and keeps some waiting.

    Parameters
    ----------
    context : PlaneContext
        The stack.
    capacity : int
        How many wait at most for each Glue version; 0 for none. A waiting one takes about 150 MB.
    options : tuple of str
        What each is started with besides.
    cache : Path, optional
        Where environments of Glue versions and resolved packages are.

    Notes
    -----
    A JVM is started before its run is known, and so sees the folders of all runs that go on.

    Those that wait are of the kind that was last asked for of a version: jobs of one version that alternate
    between two worker types gain nothing. JVMs wait for the two versions that were last asked for.
    """

    def __init__(
        self,
        context: PlaneContext,
        capacity: int,
        options: tuple[str, ...] = (),
        cache: Path | None = None,
    ) -> None:
        self._context = context
        self._cache = cache
        self._directory = context.state_dir / "glue" / "jvms"
        self._capacity = capacity
        self._options = options
        self._lock = threading.Lock()
        self._waiting: list[Jvm] = []
        self._asked_for: list[Path | None] = []
        self._retiring: list[Jvm] = []
        self._numbers = itertools.count()
        self._archiver: Jvm | None = None
        self._is_closed = False

    def prepare(self, spec: JvmSpec) -> None:
        """Make sure that JVMs of that kind are started; returns at once."""
        with self._lock:
            others = [python for python in self._asked_for if python != spec.python]
            self._asked_for = [spec.python, *others][:_VERSIONS_WAITING]
            unfit = [jvm for jvm in self._waiting if not self._is_wanted(jvm, spec)]
            self._waiting = [jvm for jvm in self._waiting if jvm not in unfit]
            fit = sum(jvm.spec == spec for jvm in self._waiting)
            for _ in range(0 if self._is_closed else self._capacity - fit):
                self._waiting.append(self._start(spec))
        for jvm in unfit:
            self.release(jvm, was_useful=False)

    def take(self, spec: JvmSpec) -> Jvm:
        """A JVM for one run: one that waits or, if there is none, one that was just started."""
        with self._lock:
            fit = next((jvm for jvm in self._waiting if jvm.spec == spec and jvm.is_running), None)
            if fit is None:
                # Another one for the next run waits until this one has started and ended.
                return self._start(spec)
            self._waiting.remove(fit)
        self.prepare(spec)
        return fit

    def _is_wanted(self, jvm: Jvm, spec: JvmSpec) -> bool:
        is_of_version = jvm.spec.python == spec.python
        return (
            jvm.is_running and jvm.spec.python in self._asked_for and (jvm.spec == spec or not is_of_version)
        )

    def release(self, jvm: Jvm, *, was_useful: bool) -> None:
        """Stop a JVM; it serves no other run.

        Parameters
        ----------
        jvm : Jvm
            From :meth:`take`.
        was_useful : bool
            Whether its run succeeded, so that the classes it loaded are those that runs need.
        """
        with self._lock:
            archives = jvm is self._archiver and was_useful
            if archives:
                self._retiring.append(jvm)
        if archives:
            threading.Thread(target=self._archive, args=(jvm,), name="glue classes", daemon=True).start()
            return
        jvm.stop()
        with self._lock:
            if jvm is self._archiver:
                self._archiver = None

    def close(self) -> None:
        """Stop all that wait."""
        with self._lock:
            self._is_closed = True
            rest, self._waiting = [*self._waiting, *self._retiring], []
        for jvm in rest:
            jvm.stop(timeout=0.5)

    def _archive(self, jvm: Jvm) -> None:
        partial = jvm.archives_to
        is_written = jvm.end_by_itself(_ARCHIVE_SECONDS)
        jvm.stop()
        with self._lock:
            self._retiring.remove(jvm)
            self._archiver = None
            if partial is not None and partial.exists():
                if is_written and not self._is_closed:
                    partial.rename(partial.with_name(f"{partial.name.partition('-')[0]}.jsa"))
                    _keep_newest(partial.parent)
                else:
                    partial.unlink()

    def _start(self, spec: JvmSpec) -> Jvm:
        name = f"jvm-{next(self._numbers)}"
        folder = self._directory / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        (folder / "tmp").mkdir()
        home = spark_home(spec.python or self._context.tools.spark_python)
        jars = [*_jars(home / "jars"), *spec.jars]
        archive = self._context.tools.jars_dir.parent / "cds" / f"{_fingerprint(self._context, jars)}.jsa"
        archive_option, archives_to = self._archive_option(archive, spec)
        java_home = self._context.tools.java_home
        command = [
            str(java_home / "bin" / "java"),
            *_OPTIONS,
            *self._options,
            *archive_option,
            f"-Xmx{spec.heap}",
            f"-Djava.io.tmpdir={folder / 'tmp'}",
            f"-Dlog4j2.configurationFile={self._context.tools.glue_runtime / 'conf' / 'log4j2.properties'}",
            *spec.options,
            "-cp",
            ":".join([*map(str, jars), *spec.class_path]),
            "org.apache.spark.deploy.SparkSubmit",
            *(part for key, value in spec.submit_conf for part in ("--conf", f"{key}={value}")),
            "pyspark-shell",
        ]
        environment = {
            "JAVA_HOME": str(java_home),
            "SPARK_HOME": str(_home_to_work_in(home, folder) if spec.has_executors else home),
            # Asked for by what starts executors; Spark's own scripts set it.
            "SPARK_SCALA_VERSION": scala_version(home),
            "SPARK_LOCAL_DIRS": str(folder / "tmp"),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PATH": f"{java_home}/bin:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "AWS_EC2_METADATA_DISABLED": "true",
            "_PYSPARK_DRIVER_CONN_INFO_PATH": str(folder / "connection"),
            **process.marked(folder),
        }
        jvm = self._spawn(command, environment, folder, name, spec, archives_to)
        if archives_to is not None:
            self._archiver = jvm
        return jvm

    def _spawn(
        self,
        command: list[str],
        environment: Mapping[str, str],
        folder: Path,
        name: str,
        spec: JvmSpec,
        archives_to: Path | None,
    ) -> Jvm:
        with (folder / "stdout.log").open("ab") as out, (folder / "stderr.log").open("ab") as err:
            child = self._fence(folder, spec).start(
                lambda: subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=out,
                    stderr=err,
                    cwd=folder,
                    env=environment,
                    start_new_session=True,
                )
            )
        owned = process.record(child.pid, self._context.pid_dir / "glue" / f"{name}.pid")
        return Jvm(child, owned, folder, spec, archives_to)

    def _fence(self, folder: Path, spec: JvmSpec) -> Fence:
        runs, home = runs_directory(self._context), self._context.tools.jars_dir.parent
        installed = home / "glue-modules"
        # A directory that is made after the JVM was started would be outside of its fence: the workers that
        # the JVM starts could not import what the run has installed there.
        for directory in (runs, installed, home / "cds", *([self._cache / "ivy"] if self._cache else [])):
            directory.mkdir(parents=True, exist_ok=True)
        cached = (self._cache,) if self._cache else ()
        python = spec.python or self._context.tools.spark_python
        return isolation.fence(
            self._context,
            readable=(*isolation.installation(python), *spec.jars, installed, *cached),
            writable=(folder, runs, home / "cds", *(one / "ivy" for one in cached)),
        )

    def _archive_option(self, archive: Path, spec: JvmSpec) -> tuple[list[str], Path | None]:
        if archive.exists():
            archive.touch()
            return [f"-XX:SharedArchiveFile={archive}"], None
        if self._archiver is not None or not spec.is_plain:
            return [], None
        archive.parent.mkdir(exist_ok=True)
        partial = archive.with_name(f"{archive.stem}-{uuid.uuid4().hex}.partial")
        return [f"-XX:ArchiveClassesAtExit={partial}"], partial


def jvm_options(environment: Mapping[str, str]) -> tuple[str, ...]:
    """What the setting says that every JVM is started with."""
    return tuple(shlex.split(environment.get("MILLPOND_GLUE_JVM_OPTIONS", "")))


def spark_home(python: Path) -> Path:
    """Where PySpark's own Spark is in an interpreter's environment.

    Raises
    ------
    LaunchError
        If the environment has no PySpark.
    """
    for entry in interpreter_facts(python)[1]:
        if (home := Path(entry) / "pyspark").joinpath("jars").is_dir():
            return home
    raise LaunchError(f"LAUNCH ERROR | PySpark is not installed in {python}: run `millpond doctor`.")


def scala_version(home: Path) -> str:
    """That of a Spark's jars, for example ``2.12``."""
    (library,) = (home / "jars").glob("scala-library-*.jar")
    return library.stem.removeprefix("scala-library-").rpartition(".")[0]


def _home_to_work_in(home: Path, folder: Path) -> Path:
    """A ``SPARK_HOME`` with all of another, in which the workers of ``local-cluster`` may write."""
    own = folder / "spark"
    own.mkdir()
    for entry in home.iterdir():
        (own / entry.name).symlink_to(entry)
    return own


def _jars(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.jar"))


def _keep_newest(directory: Path) -> None:
    """Remove the archives that were used least lately, so that their number stays within bounds."""
    archives = sorted(directory.glob("*.jsa"), key=lambda one: one.stat().st_mtime, reverse=True)
    for old in archives[_ARCHIVES_KEPT:]:
        old.unlink(missing_ok=True)


def _fingerprint(context: PlaneContext, jars: list[Path]) -> str:
    # An archive holds for one Java and one list of jars; the JVM checks that again by itself.
    digest = hashlib.sha256((context.tools.java_home / "release").read_bytes())
    for jar in jars:
        digest.update(f"\0{jar}\0{jar.stat().st_size}\0{jar.stat().st_mtime_ns}".encode())
    return digest.hexdigest()[:16]
