"""Glue Spark job: ingest one table through JDBC and DataFrames."""

import logging
import sys

from awsglue.context import GlueContext
from awsglue.job import Job
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext

from ingest.arguments import JobArguments
from ingest.aws import Aws
from ingest.run import ingest
from ingest.spark_engine import SparkEngine

logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
logging.getLogger("ingest").setLevel(logging.INFO)
arguments = JobArguments.resolve(sys.argv, getResolvedOptions)
context = GlueContext(SparkContext.getOrCreate())
job = Job(context)
job.init(arguments.job_name, getResolvedOptions(sys.argv, ["JOB_NAME"]))
aws = Aws.from_environment()
ingest(arguments, SparkEngine(context.spark_session, aws.s3), aws)
job.commit()
