"""The transform ``gs_array_to_cols`` of Glue Studio; see :mod:`awsglue._studio`."""

from awsglue._studio import attach

gs_array_to_cols = attach("gs_array_to_cols")
