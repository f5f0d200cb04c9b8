"""Requests and answers as text that a person reads."""
