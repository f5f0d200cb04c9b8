"""The mitmproxy addons: `codex_proxy` conducts the steps of a request; the others adapt mitmproxy itself."""
