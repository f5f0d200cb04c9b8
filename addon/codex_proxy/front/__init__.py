"""What faces the client: the paths it may call, who it is, which pages of the web may call, the page it can open."""
