"""The account's models: cached, listed, and resolved from the names that clients use."""
