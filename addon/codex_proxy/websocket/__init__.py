"""WebSocket connections: the upgrade, the turns, and the budget of frames."""
