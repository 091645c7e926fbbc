"""The command line: thin verbs over the other rooms."""
