"""The steps of a request's way up and of its answer's way down, and those who watch; `addon/codex.py` has their order."""
