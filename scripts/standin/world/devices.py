"""Devices that wait for their user's login (docs/backend.md, 8.6)."""

from dataclasses import dataclass


@dataclass
class Device:
    """One device that waits for its person."""

    id: str
    user_code: str
    approved: bool = False
    denied: bool = False
