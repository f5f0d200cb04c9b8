"""What can go wrong on demand: the table of failures, the refusals, and what happens to a stream."""
