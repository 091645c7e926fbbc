"""The transform ``gs_parse_json`` of Glue Studio; see :mod:`awsglue._studio`."""

from awsglue._studio import attach

gs_parse_json = attach("gs_parse_json")
