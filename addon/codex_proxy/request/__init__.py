"""What is put right in a request's body, a table a concern."""
