"""For `scripts/status`: whether the login works, and how much of the subscription is left."""
