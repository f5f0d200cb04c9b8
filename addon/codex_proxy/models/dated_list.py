"""The models known at one day, for what is told without asking the backend: a dry run, its page, the report of a capture.

Such a list ages within weeks (docs/backend.md, 10). So nothing is refused for not being in it, and who tells of it says its day.
The file beside it is the only place with names of models; the stand-in reads it too.
"""

from pathlib import Path
from typing import Literal

import msgspec

from . import catalogue


class File(msgspec.Struct):
    """`small`: words in the names of small models. `retired`: patterns of names that no subscription has (any more), the first
    match wins, and which of the account's models answers for them: its `small` or its `default` one."""

    as_of: str
    small: list[str]
    retired: list[tuple[str, Literal["small", "default"]]]


_DATA = Path(__file__).with_suffix(".json").read_bytes()
_FILE = msgspec.json.decode(_DATA, type=File)

AS_OF, SMALL, RETIRED = _FILE.as_of, tuple(_FILE.small), tuple(_FILE.retired)

CATALOGUE = catalogue.parse(_DATA)

NOT_LISTED = f"not in the list of {AS_OF}"
