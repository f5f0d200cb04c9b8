"""Past responses, kept in memory for clients that rely on storage at the server."""
