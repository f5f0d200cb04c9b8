"""The content of a good answer, and its stream: items, events, usage, and the script of a stream."""
