"""The verbs that the lake adds to the command line."""
