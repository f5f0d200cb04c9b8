"""What the proxy costs: time per request, delay of events while being watched, memory."""
