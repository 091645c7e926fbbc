"""Fixtures for pytest on a stack of Millpond; the types that tests name in their annotations."""

from __future__ import annotations

from pytest_millpond.athena import Athena, QueryFailed, QueryResult
from pytest_millpond.clients import Aws
from pytest_millpond.database import OnPremDb
from pytest_millpond.glue import GlueJob, GlueJobs, JobRun
from pytest_millpond.machines import Execution, StateMachine, StateMachines
from pytest_millpond.objects import Objects
from pytest_millpond.session import DeploymentFailed, Millpond, Snapshots

__all__ = [
    "Athena",
    "Aws",
    "DeploymentFailed",
    "Execution",
    "GlueJob",
    "GlueJobs",
    "JobRun",
    "Millpond",
    "Objects",
    "OnPremDb",
    "QueryFailed",
    "QueryResult",
    "Snapshots",
    "StateMachine",
    "StateMachines",
]
