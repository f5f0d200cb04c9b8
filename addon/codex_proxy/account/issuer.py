"""Constants of the OAuth server (the issuer): client id, scopes, paths; its address is `defaults.ISSUER` (docs/backend.md, 8)."""

# The public client of the Codex login; it is not a secret (docs/backend.md, 8).
CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"

# What the CLI asks for; without the connectors the CLI could do less with the same login (docs/backend.md, 8.1).
SCOPE = "openid profile email offline_access api.connectors.read api.connectors.invoke"

# Where users log in, and where tokens are granted and revoked (docs/backend.md, 8.1, 8.3 to 8.5).
AUTHORIZE_PATH = "/oauth/authorize"
TOKEN_PATH = "/oauth/token"
REVOKE_PATH = "/oauth/revoke"

# The redirect addresses that it accepts: these ports, with either name of this machine (docs/backend.md, 8.2).
# The CLI of today says 127.0.0.1, which no resolver can lead elsewhere; older ones and most other programs say localhost.
CALLBACK_HOSTS = ("127.0.0.1", "localhost")
CALLBACK_PORTS = (1455, 1457)
CALLBACK_PATH = "/auth/callback"

# The device login (docs/backend.md, 8.6): request a code, poll, the page for the user, and the redirect address.
DEVICE_CODE_PATH = "/api/accounts/deviceauth/usercode"
DEVICE_POLL_PATH = "/api/accounts/deviceauth/token"
DEVICE_PAGE_PATH = "/codex/device"
DEVICE_REDIRECT_PATH = "/deviceauth/callback"
