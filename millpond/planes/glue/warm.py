"""JVMs started before a run asks for one.

Starting Spark's JVM is most of what a small Spark run waits for. A warm JVM is what PySpark's own
launcher starts (``spark-submit pyspark-shell`` with a py4j gateway), started early; the script finds it
through ``PYSPARK_GATEWAY_PORT`` and ``PYSPARK_GATEWAY_SECRET``. Each serves one run and ends with it.
"""

from __future__ import annotations

import itertools
import shutil
import struct
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from millpond import process
from millpond.planes.context import PlaneContext
from millpond.planes.glue import spark
from millpond.planes.glue.spark import LocalSize

_READY_SECONDS = 60.0


@dataclass
class WarmJvm:
    """One JVM, waiting or in use.

    Parameters
    ----------
    child : Popen
        The JVM; its stdin stays open, because it ends when that closes: it never outlives the engine.
    owned : OwnedProcess
        The same, as recorded in its pid file.
    folder : Path
        Its directory, removed with it.
    size : LocalSize
        What it was started with.
    """

    child: subprocess.Popen[bytes]
    owned: process.OwnedProcess
    folder: Path
    size: LocalSize

    @property
    def stdout(self) -> Path:
        return self.folder / "stdout.log"

    @property
    def stderr(self) -> Path:
        return self.folder / "stderr.log"

    @property
    def connection_file(self) -> Path:
        return self.folder / "connection"

    def wait(self) -> bool:
        """Wait until its gateway listens; False if it ended, or takes too long."""
        deadline = time.monotonic() + _READY_SECONDS
        while not self.connection_file.exists():
            if self.child.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return self.child.poll() is None

    def gateway(self) -> tuple[int, str]:
        """Port and secret, as Spark's ``PythonGatewayServer`` writes them."""
        content = self.connection_file.read_bytes()
        port, length = struct.unpack_from(">ii", content)
        return port, content[8 : 8 + length].decode()

    def stop(self) -> None:
        self.owned.stop(timeout=5)
        if self.child.stdin is not None:
            self.child.stdin.close()
        self.child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class WarmPool:
    """Keeps a number of warm JVMs of one size.

    Parameters
    ----------
    context : PlaneContext
        The stack.
    directory : Path
        Where each gets its folder.
    capacity : int
        How many wait at most; 0 switches the pool off. An idle one takes about 150 MB.

    Notes
    -----
    The size is that of the last run that asked: jobs that alternate between two sizes gain nothing.
    """

    def __init__(self, context: PlaneContext, directory: Path, capacity: int) -> None:
        self._context = context
        self._directory = directory
        self._capacity = capacity
        self._lock = threading.Lock()
        self._idle: list[WarmJvm] = []
        self._numbers = itertools.count()
        self._is_closed = False

    def prepare(self, size: LocalSize) -> None:
        """Make sure that JVMs of that size are started; returns at once."""
        with self._lock:
            unfit = [jvm for jvm in self._idle if jvm.size != size or jvm.child.poll() is not None]
            self._idle = [jvm for jvm in self._idle if jvm not in unfit]
            while len(self._idle) < self._capacity and not self._is_closed:
                self._idle.append(self._start(size))
        for jvm in unfit:
            jvm.stop()

    def take(self, size: LocalSize) -> WarmJvm | None:
        """A warm JVM for one run, and another one started in its place; None if there is none."""
        with self._lock:
            fit = next((jvm for jvm in self._idle if jvm.size == size), None)
            if fit is not None:
                self._idle.remove(fit)
        if fit is None:
            self.prepare(size)
            return None
        if fit.wait():
            self.prepare(size)
            return fit
        fit.stop()
        self.prepare(size)
        return None

    def close(self) -> None:
        """Stop all that wait."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for jvm in idle:
            jvm.stop()

    def _start(self, size: LocalSize) -> WarmJvm:
        name = f"warm-{next(self._numbers)}"
        folder = self._directory / name
        shutil.rmtree(folder, ignore_errors=True)
        conf, tmp, jars = folder / "conf", folder / "tmp", folder / "jars"
        folder.mkdir(parents=True, mode=0o700)
        for directory in (conf, tmp, jars):
            directory.mkdir()
        spark.write_conf(self._context, conf, size=size, tmp=tmp, work=folder, jars=jars, extra={})
        variables = spark.environment(self._context, conf)
        java = self._context.tools.java_home / "bin"
        with (folder / "stdout.log").open("ab") as out, (folder / "stderr.log").open("ab") as err:
            child = subprocess.Popen(
                [f"{variables['SPARK_HOME']}/bin/spark-submit", "pyspark-shell"],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                cwd=folder,
                env={
                    **variables,
                    "PATH": f"{java}:/usr/local/bin:/usr/bin:/bin",
                    "HOME": str(folder),
                    "LANG": "C.UTF-8",
                    "TZ": "UTC",
                    "AWS_EC2_METADATA_DISABLED": "true",
                    "_PYSPARK_DRIVER_CONN_INFO_PATH": str(folder / "connection"),
                },
                start_new_session=True,
            )
        owned = process.record(child.pid, self._context.pid_dir / "glue" / f"{name}.pid")
        return WarmJvm(child, owned, folder, size)
