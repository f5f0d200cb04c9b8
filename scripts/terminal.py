"""What the scripts print: colour and bars in a terminal, plain text elsewhere. `NO_COLOR` is respected (rich does)."""

import sys

from rich.console import Console


def console(*, errors: bool = False) -> Console:
    """Standard output, or standard error; text is never wrapped, coloured or marked up by itself."""
    return Console(stderr=errors, highlight=False, markup=False, soft_wrap=True, emoji=False)


def is_terminal() -> bool:
    """Is there a person who can be asked?"""
    return sys.stdin.isatty() and sys.stderr.isatty()
