"""Capture mode: what a client really sends, as files without secrets, and an assessment of it."""
