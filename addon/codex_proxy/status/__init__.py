"""Whether the login can be used and what is left of the subscription, as `scripts/status` tells it."""
