"""Write ``docs/awsglue.md`` anew: ``python tests/awsglue_docs.py``."""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT / "glue_runtime"))

from awsglue._coverage import markdown  # noqa: E402

(CHECKOUT / "docs" / "awsglue.md").write_text(markdown())
