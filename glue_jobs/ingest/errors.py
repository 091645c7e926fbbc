"""The error that ends an ingest run with a sentence for the operator."""

from __future__ import annotations


class IngestError(Exception):
    """The run cannot go on; the message names the table and the thing that is wrong."""
