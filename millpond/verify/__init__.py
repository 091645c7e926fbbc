"""Compare the lake with the database it came from: ``make verify``."""

from millpond.verify.compare import Difference, TableComparison, verify

__all__ = ["Difference", "TableComparison", "verify"]
