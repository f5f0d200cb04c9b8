"""What the backend knows before anybody asks: accounts, tokens, models, usage windows, sealed content."""
