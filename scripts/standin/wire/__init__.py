"""Connections: bytes to requests, replies to bytes, and a record of both."""
