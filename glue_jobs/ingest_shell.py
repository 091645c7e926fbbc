"""Glue Python shell job: ingest one table, or some small ones in turn, through COPY and Arrow."""

import logging
import sys

from awsglue.utils import getResolvedOptions

from ingest.own_wheels import prefer_own_wheels

prefer_own_wheels()

from ingest.arguments import JobArguments  # noqa: E402 it imports what came with the wheels
from ingest.aws import Aws  # noqa: E402
from ingest.run import ingest_all  # noqa: E402
from ingest.shell_engine import ShellEngine  # noqa: E402

logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
logging.getLogger("ingest").setLevel(logging.INFO)
tables = JobArguments.resolve_all(sys.argv, getResolvedOptions)
aws = Aws.from_environment()
ingest_all(tables, ShellEngine(aws.glue, aws.s3), aws)
