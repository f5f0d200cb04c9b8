"""Files: read in bounded time, written whole."""
