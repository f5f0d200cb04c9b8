"""An HTTP message as bytes: its head, its framing, its codings, the values of its fields."""
