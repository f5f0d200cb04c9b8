"""The backend's side of a request: headers, cookies, refusals, usage windows, and calls of our own."""
