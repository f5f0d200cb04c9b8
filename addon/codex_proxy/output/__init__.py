"""What is written to the log, the terminal and saved files: no secret in it, and no control character."""
