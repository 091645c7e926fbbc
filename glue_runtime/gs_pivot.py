"""The transform ``gs_pivot`` of Glue Studio; see :mod:`awsglue._studio`."""

from awsglue._studio import attach

gs_pivot = attach("gs_pivot")
