"""Compare the lake with the database it came from: ``make verify``."""

from lake.verify.compare import Difference, TableComparison, verify

__all__ = ["Difference", "TableComparison", "verify"]
