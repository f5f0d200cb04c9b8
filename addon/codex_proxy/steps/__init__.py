"""The steps of a request on its way up and of its answer on its way down, and the watchers; `addon/codex.py` has their order."""
