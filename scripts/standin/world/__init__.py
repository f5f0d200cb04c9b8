"""The backend's data: accounts, tokens, models, usage windows, encrypted content."""
