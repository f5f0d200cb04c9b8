"""Connections: bytes to requests, replies to bytes, and what is remembered of them."""
