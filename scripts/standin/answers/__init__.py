"""What a good answer says, and how it is told: items, events, usage, and the script of a stream."""
