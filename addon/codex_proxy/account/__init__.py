"""The login: where it is stored, how it is read, renewed and revoked."""
