"""Chat completions as Responses requests, and Responses streams as chat completions."""
