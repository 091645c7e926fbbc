"""Sums a day's sales by shop: CSV in, Parquet and a table of the Glue catalog out."""

import sys

from awsglue.context import GlueContext
from awsglue.dynamicframe import DynamicFrame
from awsglue.job import Job
from awsglue.transforms import ApplyMapping, Filter
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext

options = getResolvedOptions(sys.argv, ["JOB_NAME", "source", "target", "database"])
context = GlueContext(SparkContext.getOrCreate())
job = Job(context)
job.init(options["JOB_NAME"], options)

sales = context.create_dynamic_frame.from_options(
    connection_type="s3",
    connection_options={"paths": [options["source"]]},
    format="csv",
    format_options={"withHeader": True},
)
typed = ApplyMapping.apply(
    sales,
    mappings=[("shop", "string", "shop", "string"), ("amount", "string", "amount", "decimal(12,2)")],
)
known = Filter.apply(typed, f=lambda row: row["amount"] is not None)
totals = known.toDF().groupBy("shop").sum("amount").toDF("shop", "total").coalesce(1)

sink = context.getSink(
    connection_type="s3",
    path=options["target"],
    enableUpdateCatalog=True,
    updateBehavior="UPDATE_IN_DATABASE",
)
sink.setFormat("glueparquet")
sink.setCatalogInfo(catalogDatabase=options["database"], catalogTableName="totals")
sink.writeFrame(DynamicFrame.fromDF(totals, context, "totals"))
job.commit()
