"""Where requests go and who we say we are, where nobody says anything else: the same for the proxy and the scripts."""

UPSTREAM = "https://chatgpt.com/backend-api/codex"
ISSUER = "https://auth.openai.com"
ORIGINATOR = "nanobot-proxy"

# The version contract section 15 was measured on; for an older one the backend leaves models out (contract 1.3).
CLIENT_VERSION = "0.169.0"
