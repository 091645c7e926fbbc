"""awswrangler as a client of the catalog: the one of the analytics set of Python shell jobs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from engine_fixtures import RunningEngine

from millpond.base.config import CHECKOUT, load_settings
from millpond.planes.common.context import Tools

# Its environment is installed.
pytestmark = [pytest.mark.foreign, pytest.mark.timeout(600)]
WRANGLES = """
import json, sys
import awswrangler as wr
import pandas as pd

place = sys.argv[sys.argv.index("--place") + 1]
said = {"version": wr.__version__}
named = {"database": "wrangled", "table": "orders"}
wr.catalog.create_database("wrangled", description="by awswrangler")
for day, version in (("01", False), ("02", True)):
    rows = pd.DataFrame({"id": [1, 2], "amount": [0.5, 1.5], "day": [day, day]})
    wr.s3.to_parquet(
        rows, place, dataset=True, partition_cols=["day"], mode="append", catalog_versioning=version, **named
    )
said["exists"] = wr.catalog.does_table_exist(**named), wr.catalog.does_table_exist("wrangled", "none")
said["types"] = wr.catalog.get_table_types(**named)
said["location"] = wr.catalog.get_table_location(**named)
said["partitions"] = sorted(sum(wr.catalog.get_partitions(**named).values(), []))
said["one"] = list(wr.catalog.get_partitions(expression="day > '01'", **named).values())
wr.catalog.add_column(column_name="note", column_type="string", column_comment="new", **named)
wr.catalog.delete_column(column_name="amount", **named)
said["columns"] = list(wr.catalog.table(**named)["Column Name"])
wr.catalog.upsert_table_parameters(parameters={"team": "sales"}, **named)
said["team"] = wr.catalog.get_table_parameters(**named)["team"]
filters = [{"name_prefix": "ord"}, {"name_suffix": "ers"}, {"name_contains": "rde"}, {"name_prefix": "x"}]
said["found"] = [len(list(wr.catalog.get_tables(**one))) for one in filters]
said["searched"] = [one["Name"] for one in wr.catalog.search_tables(text="orders")]
said["versions"] = wr.catalog.get_table_number_of_versions(**named)
said["comments"] = wr.catalog.get_columns_comments(**named)["note"]
frame = wr.athena.read_sql_query(
    "SELECT day, sum(id) AS total FROM orders GROUP BY 1 ORDER BY 1", "wrangled", ctas_approach=False,
    s3_output=place + "answers/",
)
said["rows"] = [[row.day, int(row.total)] for row in frame.itertuples()]
wr.catalog.delete_partitions(partitions_values=[["01"]], **named)
said["left"] = list(wr.catalog.get_partitions(**named).values())
said["deleted"] = wr.catalog.delete_table_if_exists(**named), wr.catalog.delete_table_if_exists(**named)
wr.catalog.delete_database("wrangled")
said["databases"] = [one["Name"] for one in wr.catalog.get_databases() if one["Name"] == "wrangled"]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the set."""
    home, place = load_settings().home, tmp_path_factory.mktemp("analytics")
    uv, own = home / "uv" / "bin" / "uv", place / "bin" / "python"
    base = Tools.from_json((home / "tools.json").read_text()).shell_python
    lock = CHECKOUT / "requirements" / "glue-shell-analytics.txt"
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", base, place], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", own, "--no-deps", "--require-hashes"]
    subprocess.run([*install, "-r", lock], check=True)
    return own


def test_the_catalog_answers_awswrangler(python: Path, running_engine: RunningEngine, tmp_path: Path) -> None:
    where = {"LocationConstraint": running_engine.settings.region}
    running_engine.client("s3").create_bucket(Bucket="wrangled-rows", CreateBucketConfiguration=where)
    place = "s3://wrangled-rows/orders/"
    script = tmp_path / "wrangles.py"
    script.write_text(WRANGLES)
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": str(CHECKOUT / "glue_runtime"),
        "AWS_ENDPOINT_URL": running_engine.settings.endpoint_url,
        "AWS_DEFAULT_REGION": running_engine.settings.region,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    done = subprocess.run(
        [python, "-W", "ignore", script, "--place", place],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    assert said == {
        "version": "2.15.1",
        "exists": [True, False],
        "types": {"id": "bigint", "amount": "double", "day": "string"},
        "location": place,
        "partitions": ["01", "02"],
        "one": [["02"]],
        "columns": ["id", "note", "day"],
        "team": "sales",
        "found": [1, 1, 1, 0],
        "searched": ["orders"],
        "versions": 3,
        "comments": "new",
        "rows": [["01", 3], ["02", 3]],
        "left": [["02"]],
        "deleted": [True, False],
        "databases": [],
    }
