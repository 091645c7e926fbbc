"""``millpond spark-history``."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from millpond.base.config import Settings, load_settings
from millpond.base.errors import MillpondError
from millpond.base.waiting import wait_until
from millpond.cli import console
from millpond.cli.session import Region, Target, clients
from millpond.client.spark_logs import ARGUMENT, download, places
from millpond.toolchain import components

START_SECONDS = 60.0


def spark_history(
    address: Annotated[
        str | None, typer.Argument(help="s3://BUCKET/PREFIX; what the jobs name, if not given.")
    ] = None,
    port: Annotated[int, typer.Option(help="Where the server listens, on this machine only.")] = 18080,
    target: Target = "local",
    region: Region = None,
) -> None:
    """Open the event logs of Spark jobs in Spark's own history server, until ctrl-C."""
    settings = load_settings()
    aws = clients(settings, target, region)
    addresses = [address] if address else places(aws.glue)
    with tempfile.TemporaryDirectory(prefix="millpond-spark-history-") as directory:
        found = sum(download(aws.s3, one, Path(directory)) for one in addresses)
        if not found:
            raise MillpondError(
                "No event log of Spark was found.",
                where=", ".join(addresses) or f"no job has the argument {ARGUMENT}",
                next_step=f"run a job with --enable-spark-ui true and {ARGUMENT} s3://BUCKET/PREFIX/",
            )
        serve(settings, Path(directory), port, found)


def serve(settings: Settings, directory: Path, port: int, count: int) -> None:
    """Run the server over a directory until it is interrupted.

    Raises
    ------
    MillpondError
        If it does not start.
    """
    if _answers(port):
        raise MillpondError(
            f"The port {port} is in use.", next_step="millpond spark-history --port, with another one"
        )
    python, java = components.find_spark(settings).path, components.find_java(settings).path
    if python is None or java is None:
        raise AssertionError("both finders give a path or raise")
    jars = next((python.parent.parent / "lib").glob("python*/site-packages/pyspark/jars"))
    options = {
        "spark.history.fs.logDirectory": directory.as_uri(),
        "spark.history.ui.port": str(port),
        "spark.port.maxRetries": "0",
    }
    command = [
        str(java / "bin" / "java"),
        "-Xmx1g",
        *(f"-D{name}={value}" for name, value in options.items()),
        *("-cp", f"{jars}/*", "org.apache.spark.deploy.history.HistoryServer"),
    ]
    log = directory.with_name(f"{directory.name}.log")
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"}, stdout=output, stderr=output
        )
    try:
        wait_until(
            "Spark's history server", lambda: _answers(port) or child.poll() is not None, START_SECONDS
        )
        if child.poll() is not None:
            raise MillpondError(
                "Spark's history server does not start.",
                next_step="millpond spark-history --port, with another one",
                detail=log.read_text(errors="replace")[-2000:],
            )
        console.note(f"event logs: {count}, at {url}; ctrl-C ends it")
        with contextlib.suppress(KeyboardInterrupt):
            child.wait()
    finally:
        child.terminate()
        child.wait()
        log.unlink()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
