"""The pages of the console, one module each; what every page has around it is in ``frame``."""
