"""A Glue job as somebody might have it: sums a day's sales from CSV into a Parquet table."""

import sys

from awsglue.context import GlueContext
from awsglue.job import Job
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext

options = getResolvedOptions(sys.argv, ["JOB_NAME", "source", "target"])
context = GlueContext(SparkContext.getOrCreate())
job = Job(context)
job.init(options["JOB_NAME"], options)
sales = context.spark_session.read.csv(
    options["source"], header=True, schema="shop string, amount decimal(12,2)"
)
totals = sales.groupBy("shop").sum("amount").toDF("shop", "total")
totals.coalesce(1).write.mode("overwrite").parquet(options["target"])
job.commit()
