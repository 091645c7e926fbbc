"""The plug-in: its options, its fixtures, and the end of what it started."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest

from pytest_millpond import stack as stacks
from pytest_millpond.athena import Athena
from pytest_millpond.clients import Aws
from pytest_millpond.database import OnPremDb
from pytest_millpond.glue import GlueJobs
from pytest_millpond.machines import StateMachines
from pytest_millpond.objects import Objects
from pytest_millpond.session import DEFAULT_ACCOUNT, Millpond, Snapshots

Had = TypeVar("Had")
SHARED = "shared"
SETTINGS = {
    "stack": (
        ("auto", "running", "own"),
        "Which stack: a running one (running), one of the session's own (own), or the first of them (auto).",
    ),
    "isolation": (
        ("none", "account", "reset"),
        "What tests share: all (none); nothing with other workers of xdist, each of which has an AWS account "
        "(account); nothing, a stack of their own is emptied before each test (reset).",
    ),
}
_DIRECTORY = pytest.StashKey[Path]()
_SECONDS = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer ``--millpond-stack``, ``--millpond-isolation``, ``--millpond-endpoint``, settings too."""
    group = parser.getgroup("millpond", "a stack of Millpond")
    for name, (choices, text) in SETTINGS.items():
        group.addoption(f"--millpond-{name}", choices=choices, help=text)
        parser.addini(f"millpond_{name}", text, default=choices[0])
    text = "Address of a running stack; AWS_ENDPOINT_URL unless given, where it is of this machine."
    group.addoption("--millpond-endpoint", help=text)
    parser.addini("millpond_endpoint", text, default="")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse settings that do not go together, before a test runs."""
    if _setting(config, "isolation") == "reset" and _setting(config, "stack") == "running":
        raise pytest.UsageError(
            "millpond_isolation = reset empties the stack before each test, which yours would not survive: "
            "use millpond_stack = own."
        )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the stacks of this session are."""
    node.workerinput["millpond_directory"] = str(_directory(node.config))


def pytest_report_header(config: pytest.Config) -> str:
    """Say what was chosen."""
    return f"millpond: stack {_setting(config, 'stack')}, isolation {_setting(config, 'isolation')}"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say how long the stack took, for whoever wonders."""
    if told := config.stash.get(_SECONDS, ""):
        terminalreporter.write_line(told)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what this session started."""
    if not hasattr(config, "workerinput") and (directory := config.stash.get(_DIRECTORY, None)):
        stacks.stop_all(directory)


@pytest.fixture(scope="session")
def millpond(request: pytest.FixtureRequest) -> Iterator[Millpond]:
    """The stack. While it is there, whatever uses AWS's SDK in this process and its children speaks to it."""
    config = request.config
    started = time.monotonic()
    found = _had(lambda: _obtain(config))
    how = "started" if found.is_own else "joined"
    seconds = time.monotonic() - started
    config.stash[_SECONDS] = f"millpond: {how} {found.endpoint_url} in {seconds:.1f} s"
    worker = _worker(config)
    number = int(worker[2:] or 0) + 1 if worker[:2] == "gw" else 1
    account = f"{number:012d}" if _setting(config, "isolation") == "account" else DEFAULT_ACCOUNT
    made = Millpond(found, worker, account)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_PROFILE", raising=False)
        patch.delenv("AWS_SESSION_TOKEN", raising=False)
        for name, value in Aws(found.endpoint_url, found.region, account).environment.items():
            patch.setenv(name, value)
        yield made


@pytest.fixture(autouse=True)
def _millpond_isolation(request: pytest.FixtureRequest) -> None:
    """Empty the stack before a test that uses it, where that is asked for."""
    if _setting(request.config, "isolation") == "reset" and "millpond" in request.fixturenames:
        request.getfixturevalue("millpond").reset()


@pytest.fixture(scope="session")
def aws(millpond: Millpond) -> Aws:
    """Makes boto3 clients: ``aws("s3")``."""
    return Aws(millpond.endpoint_url, millpond.region, millpond.account)


@pytest.fixture(scope="session")
def s3(aws: Aws) -> Objects:
    """Objects of S3: ``s3.put(uri, content)``, ``s3.read(uri)``, ``s3.assert_objects(uri, keys)``."""
    return Objects(aws)


@pytest.fixture(scope="session")
def glue_job(millpond: Millpond, aws: Aws, s3: Objects) -> Iterator[GlueJobs]:
    """Jobs of Glue: ``glue_job("job.py").run({"day": "2026-01-01"}).assert_succeeded()``."""
    jobs = GlueJobs(aws, s3, _bucket(millpond))
    yield jobs
    if not millpond.stack.is_own:
        jobs.remove_own()


@pytest.fixture(scope="session")
def state_machine(millpond: Millpond, aws: Aws) -> Iterator[StateMachines]:
    """State machines: ``state_machine("nightly").start({"day": 1}).assert_succeeded()``."""
    machines = StateMachines(aws)
    yield machines
    if not millpond.stack.is_own:
        machines.remove_own()


@pytest.fixture(scope="session")
def athena(millpond: Millpond, aws: Aws, s3: Objects) -> Athena:
    """Asks Athena: ``athena("SELECT 1").assert_rows([(1,)])``."""
    return Athena(aws, s3, _bucket(millpond))


@pytest.fixture
def onprem_db(millpond: Millpond) -> Iterator[OnPremDb]:
    """The on-premises database: ``onprem_db.execute("SELECT 1")``."""
    database = _had(lambda: OnPremDb(millpond.stack))
    try:
        yield database
    finally:
        database.close()


@pytest.fixture
def snapshot(millpond: Millpond) -> Snapshots:
    """The whole stack, kept and brought back: ``snapshot.save("seeded")``."""
    return Snapshots(millpond)


def _had(obtain: Callable[[], Had]) -> Had:
    """What a fixture needs; where it cannot be had, a person is told in words, without a traceback."""
    try:
        return obtain()
    except (stacks.NoStack, LookupError) as error:
        why = str(error)
    pytest.fail(why, pytrace=False)


def _setting(config: pytest.Config, name: str) -> str:
    chosen = str(config.getoption(f"--millpond-{name}") or config.getini(f"millpond_{name}"))
    choices = SETTINGS[name][0]
    if chosen not in choices:
        raise pytest.UsageError(f"millpond_{name} is {chosen}, and can be {', '.join(choices)}.")
    return chosen


def _obtain(config: pytest.Config) -> stacks.Stack:
    which, isolation = _setting(config, "stack"), _setting(config, "isolation")
    if isolation == "reset":
        which = "own"
    # A stack that is emptied belongs to one worker.
    name = (_worker(config) or SHARED) if isolation == "reset" else SHARED
    return stacks.obtain(_directory(config) / name, _project(config), which, _endpoint(config))


def _endpoint(config: pytest.Config) -> str:
    told = config.getoption("--millpond-endpoint") or config.getini("millpond_endpoint")
    inherited = os.environ.get("AWS_ENDPOINT_URL", "")
    if not told and urlsplit(inherited).hostname in stacks.LOOPBACK:
        told = inherited
    return str(told or "")


def _project(config: pytest.Config) -> Path:
    """The nearest folder with a ``millpond.toml``, from where pytest was started, then from its root."""
    for start in (config.invocation_params.dir, config.rootpath):
        for folder in (start, *start.parents):
            if (folder / "millpond.toml").is_file():
                return folder
    return config.rootpath


def _directory(config: pytest.Config) -> Path:
    if hasattr(config, "workerinput"):
        return Path(config.workerinput["millpond_directory"])
    if _DIRECTORY not in config.stash:
        config.stash[_DIRECTORY] = stacks.new_directory()
    return config.stash[_DIRECTORY]


def _worker(config: pytest.Config) -> str:
    return str(config.workerinput["workerid"]) if hasattr(config, "workerinput") else ""


def _bucket(millpond: Millpond) -> str:
    # The names of buckets are shared by all accounts.
    account = "" if millpond.account == DEFAULT_ACCOUNT else f"-{millpond.account}"
    return f"pytest-millpond{account}"
