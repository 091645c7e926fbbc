"""The transform ``gs_explode`` of Glue Studio; see :mod:`awsglue._studio`."""

from awsglue._studio import attach

gs_explode = attach("gs_explode")
