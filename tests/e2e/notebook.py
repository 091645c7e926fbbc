"""A notebook in the kernel ``glue_pyspark``; prints the outputs of its cells as JSON.

It runs in the kernel's own environment: see ``test_glue_sessions.py``.
"""

from __future__ import annotations

import json

CELLS = [
    "%glue_version 5.1\n%idle_timeout 10\n%number_of_workers 2\n%worker_type G.1X",
    "from awsglue.context import GlueContext\n"
    "from pyspark.context import SparkContext\n"
    "glueContext = GlueContext(SparkContext.getOrCreate())\n"
    "spark = glueContext.spark_session\n"
    "spark.range(3).createOrReplaceTempView('numbers')\n"
    "print(spark.range(4).groupBy().sum().collect()[0][0])",
    "%%sql\nSELECT sum(id) AS total FROM numbers",
    "1 / 0",
    "%stop_session",
]


def main() -> None:
    import nbclient
    import nbformat

    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    nbclient.NotebookClient(notebook, kernel_name="glue_pyspark", timeout=600, allow_errors=True).execute()
    print(json.dumps([cell.outputs for cell in notebook.cells]))  # noqa: T201


if __name__ == "__main__":
    main()
