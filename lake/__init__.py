"""The verbs of this platform, plugged into Millpond's command line."""
