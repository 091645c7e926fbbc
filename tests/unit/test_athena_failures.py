"""Category and type of a query's failure, by "Athena error catalog" of the user guide."""

from __future__ import annotations

import pytest

from millpond.planes.athena.failures import athena_error


@pytest.mark.parametrize(
    ("reason", "is_user_error", "category", "type_"),
    [
        ("SYNTAX_ERROR: line 1:8: mismatched input", True, 2, 1006),
        ("COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved", True, 2, 1006),
        ("TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.a.b' does not exist", True, 2, 1110),
        ("DIVISION_BY_ZERO: Division by zero", True, 2, 1001),
        ("NOT_SUPPORTED: … is not supported by Millpond's Athena", True, 2, 1200),
        ("FAILED: SemanticException Table a.b is not a partitioned table", True, 2, 1003),
        ("Permission denied on S3 path: s3://bucket/key", True, 2, 1501),
        # dbt's adapter sends a statement again by category and type of this one.
        ("ICEBERG_COMMIT_ERROR: Failed to commit", True, 2, 233),
        ("ICEBERG_CANNOT_OPEN_SPLIT: Error opening Iceberg split", False, 1, 1302),
        ("Query timeout", False, 1, 206),
        ("GENERIC_INTERNAL_ERROR: The query's process ended", False, 1, 200),
        ("EXCEEDED_LOCAL_MEMORY_LIMIT: Query exceeded per-node memory limit", True, 1, 0),
        ("TOO_MANY_REQUESTS_FAILED: something new", True, 2, 1000),
        ("something new", False, 1, 200),
    ],
)
def test_a_failure_has_the_type_that_its_reason_names(
    reason: str, is_user_error: bool, category: int, type_: int
) -> None:
    assert athena_error(reason, is_user_error=is_user_error) == {
        "ErrorCategory": category,
        "ErrorType": type_,
        "Retryable": False,
        "ErrorMessage": reason,
    }
