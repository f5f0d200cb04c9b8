"""Failures on demand: their table, the refusals, and the faults of a stream."""
