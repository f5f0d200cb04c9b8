"""Past responses, kept in memory for clients that rely on server-side storage."""
