"""How this process reaches the network, and how it listens: proxies, trust, addresses, limits, our own calls."""
