"""What mitmproxy's hooks can't reach: its protocol layers, its connection handlers, the bytes on the wire."""
