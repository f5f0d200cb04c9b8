"""HTTP messages as bytes: heads, framing, content codings, field values."""
