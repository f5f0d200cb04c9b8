"""The account's models: kept, listed, and found by the names that clients use."""
