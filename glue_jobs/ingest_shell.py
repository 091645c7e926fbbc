"""Glue Python shell job: ingest one table through COPY and Arrow."""

import logging
import sys

from awsglue.utils import getResolvedOptions

from ingest.arguments import JobArguments
from ingest.aws import Aws
from ingest.run import ingest
from ingest.shell_engine import ShellEngine

logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
logging.getLogger("ingest").setLevel(logging.INFO)
arguments = JobArguments.resolve(sys.argv, getResolvedOptions)
aws = Aws.from_environment()
ingest(arguments, ShellEngine(aws.glue, aws.s3), aws)
