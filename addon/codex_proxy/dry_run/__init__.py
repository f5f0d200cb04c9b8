"""Dry runs: canned answers and a canned catalogue, in the form of real ones."""
