"""Changes to mitmproxy below its hooks: protocol layers, connection handlers, the bytes on the wire."""
