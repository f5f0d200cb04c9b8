"""The canned answer of a dry run, in the form real answers have."""
