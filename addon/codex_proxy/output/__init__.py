"""Output to the log, the terminal and saved files, without secrets and control characters."""
