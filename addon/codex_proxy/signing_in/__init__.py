"""Logging in and out, for the scripts only: browser callback, device code, PKCE, revocation."""
