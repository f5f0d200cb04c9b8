"""File access: bounded reads, atomic writes, flow files."""
