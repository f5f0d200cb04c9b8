"""What the backend refuses: the headers, the body, its items, their parts, and the tools of a request."""
