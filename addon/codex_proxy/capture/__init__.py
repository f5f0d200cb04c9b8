"""What a client really sends, as files without secrets, and what would become of it."""
