"""The processes that run queries: ``python -m millpond.planes.athena.worker DIRECTORY``.

This process loads what a query needs and waits. For every name it is told, it forks; the child opens DuckDB,
waits until the plane rings, runs the one job it finds in the directory of that name, writes the outcome
there, and ends. So a query has a process of its own, and does not wait for one to start.

DuckDB's package and Arrow are loaded by the child: they start threads when they are imported, and a process
of several threads must not fork. The library below the package starts none.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import _duckdb  # noqa: F401 - loaded once, for every child
import boto3
from botocore.config import Config

from millpond.base import process
from millpond.planes.athena import ddl, macros, values  # noqa: F401 - loaded once, for every child
from millpond.planes.athena.files import OBJECTS, ObjectFiles
from millpond.planes.athena.jobs import ANSWERS, DOORBELL, IS_DONE, PID_FILE, WANTS, WORKER_LOG, Job
from millpond.planes.athena.trino import runner  # noqa: F401 - loaded once, for every child
from millpond.planes.common import isolation
from millpond.planes.common.callers import OWN_CALLS, QUERY
from millpond.planes.common.isolation import Fence

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

_LOOK_AROUND = 1.0
MOST_BYTES = 3 * 2**30
"""What the process of a query may have in memory. DuckDB's own limit is that of its buffers, which texts,
lists and results are not part of."""


def _wait(handle: int, parent: int) -> bytes:
    """Wait for something to read; empty when the process that started this one is gone."""
    while os.getppid() == parent:
        ready, _, _ = select.select([handle], [], [], _LOOK_AROUND)
        if ready:
            return os.read(handle, select.PIPE_BUF)
    return b""


class _Clients:
    """Clients of S3 and Glue; those of the stack's own account and region are made before they are asked for.

    Children find the models of both services and of their pages loaded: others take them a moment only.
    """

    def __init__(self) -> None:
        self._session = boto3.session.Session()
        environment = os.environ
        self._own = environment["AWS_ACCESS_KEY_ID"], environment["AWS_DEFAULT_REGION"]
        self._ready = self._make(*self._own)

    def of(self, access_key: str, region: str) -> tuple[S3Client, GlueClient]:
        """Clients that act for an access key, which may be the number of an account, in a region."""
        return self._ready if (access_key, region) == self._own else self._make(access_key, region)

    def _make(self, access_key: str, region: str) -> tuple[S3Client, GlueClient]:
        common: dict[str, Any] = {
            "endpoint_url": os.environ["AWS_ENDPOINT_URL"],
            "region_name": region,
            # The emulator takes the account, and who it is, from the access key id.
            "aws_access_key_id": access_key,
            "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
            "config": Config(
                retries={"max_attempts": 3}, s3={"addressing_style": "path"}, user_agent_extra=OWN_CALLS
            ),
        }
        s3, glue = self._session.client("s3", **common), self._session.client("glue", **common)
        s3.can_paginate("list_objects_v2")
        glue.can_paginate("get_partitions")
        return s3, glue


def _name(client: Any, query_id: str) -> None:
    """Let each call of a client say for which query it is."""

    def tell(params: dict[str, Any], **_: Any) -> None:
        params["headers"][QUERY] = query_id

    client.meta.events.register("before-call", tell)


def fence_of(directory: Path) -> Fence:
    """What the process of a query sees: the harness's own code, and its directory in the state directory."""
    code = (*isolation.own_interpreter(), *map(Path, filter(None, sys.path)))
    # It writes into its directory alone, so that the temporary directories of the system, with all that is in
    # them, need not be gone through for every query.
    return Fence(isolation.hidden(directory.parents[1]), code, (directory,), temporary=False)


def _run_one(directory: Path, parent: int, clients: _Clients) -> None:
    """Be the process of one query."""
    from millpond.planes.athena.engine import connect, sign_in
    from millpond.planes.athena.runner import QueryRunner

    process.record(os.getpid(), Path((directory / PID_FILE).read_text()))
    # From now on that file says whether this process is there; without it, it has been.
    (directory / PID_FILE).unlink()
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
    os.environ["TMPDIR"] = str(directory)
    fence_of(directory).enter()
    connection = connect(directory / "spill", directory / OBJECTS)
    answers = os.open(directory / ANSWERS, os.O_RDWR | os.O_NONBLOCK)
    doorbell = os.open(directory / DOORBELL, os.O_RDWR | os.O_NONBLOCK)

    def ask() -> None:
        os.write(answers, WANTS)
        _wait(doorbell, parent)

    if _wait(doorbell, parent):
        job, environment = Job.take(directory), os.environ
        endpoint_url, secret_key = environment["AWS_ENDPOINT_URL"], environment["AWS_SECRET_ACCESS_KEY"]
        sign_in(connection, endpoint_url, job.region, job.key, secret_key)
        s3, glue = clients.of(job.key, job.region)
        for client in (s3, glue):
            _name(client, job.query_id)
        files = ObjectFiles(directory, ask)
        QueryRunner(directory, connection, s3, glue, files).run(job).write(directory)
        os.write(answers, IS_DONE)


def _child(directory: Path, parent: int, clients: _Clients) -> NoReturn:
    """Run one query in a process group of its own, and leave what is the parent's alone."""
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(directory / WORKER_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        _run_one(directory, parent, clients)
        status = 0
    except BaseException:  # noqa: BLE001 - the process ends here, whatever it was, and its log says why
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def main() -> int:
    """Fork a worker for every line that comes in, as long as the engine lives."""
    home, parent = Path(sys.argv[1]), os.getppid()
    doorbell = os.open(home / DOORBELL, os.O_RDWR | os.O_NONBLOCK)
    # Children that end are nobody's business here: the plane watches them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    clients = _Clients()
    # Children never look for garbage in what is loaded here, and so share its memory.
    gc.collect()
    gc.freeze()
    while told := _wait(doorbell, parent):
        for name in told.decode().split():
            mine = os.getpid()
            if os.fork() == 0:
                os.close(doorbell)
                _child(home / name, mine, clients)
    return 0


if __name__ == "__main__":
    sys.exit(main())
