"""Makes the library of the ingest jobs importable, as ``--extra-py-files`` does in Glue."""

from __future__ import annotations

import sys

from millpond.base.config import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "glue_jobs"))
