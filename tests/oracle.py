"""What the backend would say of a request: the stand-in's own checks, which know nothing of the addon's tables."""

from typing import Any

from standin.rules.body import Case, check_responses
from standin.wire.replies import Refused
from standin.world.tokens import Login
from standin.world.vault import Vault

PERSON = Login("person@example.org", "plus", "account")

# Whatever is sealed was sealed here.
TRUSTING = Vault(b"key", trusted=("",))


def refusal(body: dict[str, Any]) -> str | None:
    """The words of the refusal; None where the body is taken."""
    try:
        check_responses(Case(body, PERSON, TRUSTING))
    except Refused as refused:
        return refused.reply.refusal
    return None
