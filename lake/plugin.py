"""What the lake plugs into Millpond, named in ``lake/pyproject.toml``: its verbs."""

from __future__ import annotations

from lake.verbs.cost import cost
from lake.verbs.demo import demo
from lake.verbs.dev import dev
from lake.verbs.lake import lake
from lake.verbs.load import load
from lake.verbs.runs import approve, ingest, reject, replay
from lake.verbs.verify import verify
from lake.verbs.workload import workload

VERBS = (load, lake, workload, ingest, replay, approve, reject, verify, cost, demo, dev)
