"""What the proxy costs: time of a request, delay of events while somebody watches, memory."""
