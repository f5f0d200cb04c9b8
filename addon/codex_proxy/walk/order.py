"""Check the order of the steps: each names the steps that have to run before it."""

from collections.abc import Sequence


class OrderError(Exception):
    """The steps are in a wrong order; the message says which step needs which other one."""


def check(*lists: Sequence[object]) -> None:
    """Raise OrderError unless each step comes after all that its `after` names; `lists` are run one after the other.

    A step in several lists runs in each of them, and has to be in order in each.
    """
    ran: set[type] = set()
    for steps in lists:
        here = {type(step) for step in steps}
        ran -= here
        for step in steps:
            missing = [needed.__name__ for needed in after(step) if needed not in ran]
            if missing:
                raise OrderError(f"{type(step).__name__} has to come after {' and '.join(missing)}.")
            ran.add(type(step))


def after(step: object) -> tuple[type, ...]:
    """The classes that must have run before a step."""
    found: tuple[type, ...] = getattr(step, "after", ())
    return found
