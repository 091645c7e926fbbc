"""Glue Data Quality: rulesets of DQDL, evaluated over frames."""
