"""``DataSource``: what ``getSource`` reads from."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional


class DataSource:
    """A place to read a frame from.

    Parameters
    ----------
    glue_ctx : GlueContext
    connection_type : str
    options : mapping
        ``connection_options``.
    transformation_ctx : str
        Names it in the bookmark.
    """

    def __init__(
        self, glue_ctx: Any, connection_type: str, options: Mapping[str, Any], transformation_ctx: str
    ) -> None:
        self._glue_ctx = glue_ctx
        self._connection_type = connection_type
        self._options: Dict[str, Any] = dict(options)
        self._transformation_ctx = transformation_ctx
        self._format: Optional[str] = None
        self._format_options: Dict[str, Any] = {}

    def setFormat(self, format: str, **options: Any) -> None:
        """Say in which format.

        Parameters
        ----------
        format : str
        **options
            ``format_options``.
        """
        self._format = format
        self._format_options = dict(options)

    def getFrame(self, **options: Any) -> Any:
        """The records as a ``DynamicFrame``."""
        return self._glue_ctx.create_dynamic_frame_from_options(
            self._connection_type,
            {**self._options, **options},
            self._format,
            self._format_options,
            self._transformation_ctx,
        )
