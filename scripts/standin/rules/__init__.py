"""What the backend refuses: in the headers, the body, its items, their parts, and the tools of a request."""
