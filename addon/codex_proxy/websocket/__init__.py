"""A WebSocket connection: its upgrade, its turns, how many frames a client may send."""
