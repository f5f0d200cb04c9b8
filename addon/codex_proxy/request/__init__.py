"""Patch the body of a request: one table of rules for each concern."""
