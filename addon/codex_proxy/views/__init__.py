"""Requests and answers as readable text, for mitmproxy's content views."""
