"""How many examples a property test tries: all of them, or a tenth in the quick part (scripts/test --quick)."""

import os

from hypothesis import settings

SHARE = float(os.environ.get("EXAMPLES_SHARE", "1"))


def examples(number: int) -> settings:
    """`number` examples in a full run, at least five; the same ones in each run, and without a time limit."""
    return settings(max_examples=max(5, round(number * SHARE)), deadline=None, derandomize=True)
