"""What AWS's own modules of Glue Studio's transforms share; those here need nothing of it."""
