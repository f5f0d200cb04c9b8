"""Chat completions as a dialect: requests to Responses requests, Responses streams to chat completions."""
