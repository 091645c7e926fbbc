"""The transform ``gs_concat`` of Glue Studio; see :mod:`awsglue._studio`."""

from awsglue._studio import attach

gs_concat = attach("gs_concat")
