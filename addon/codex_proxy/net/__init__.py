"""The network: outgoing proxies, trust, dialling, limits, our own HTTP client, and listeners."""
