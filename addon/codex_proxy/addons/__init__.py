"""The walk of a request, one mitmproxy addon a step, listed in `addon/codex.py`, and what they share of mitmproxy."""
