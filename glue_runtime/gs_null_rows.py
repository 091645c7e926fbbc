"""The transform ``gs_null_rows`` of Glue Studio; see :mod:`awsglue._studio`."""

from awsglue._studio import attach

gs_null_rows = attach("gs_null_rows")
