"""One turn of the model, over HTTP or a WebSocket: the answer, and the failure that meets it."""

from .answers.events import events, response_object
from .answers.items import Item, output_items
from .answers.script import Script
from .answers.usage import Usage, tokens
from .failures.refusals import Situation
from .failures.table import Active
from .rules.body import Case
from .state import State
from .wire.replies import Headers


def script(
    state: State, case: Case, *, used: bool, headers: Headers, generate: bool = True
) -> tuple[Script, Active | None, list[Item]]:
    """The answer to a request that was right, the failure that it meets, and the answer's items. Raises Refused."""
    login = case.login
    active = state.take("responses", used)
    situation = Situation(active.argument if active else "", login.plan, state.now())
    if active and active.failure.refuse:
        raise active.failure.refuse(situation)
    said = Script(headers, [])
    if active and active.failure.wire:
        return said, active, []
    says = state.next_says() if generate else state.says
    huge = int(float(active.argument)) if active and active.name == "huge-frame" else 0
    items = output_items(case.body, says, state.vault, login.account_id, huge)
    whole, cached = state.prompts.count(login.account_id, case.session, case.body)
    thought = 64 if any(item["type"] == "reasoning" for item in items) else 0
    spent = Usage(whole, cached, tokens([_visible(item) for item in items]) + thought, thought)
    said.events = events(response_object(case.body), items, spent, says.deltas)
    said.pieces = says.pieces
    if active and active.failure.spoil:
        active.failure.spoil(said, active.argument)
    return said, active, items


def _visible(item: Item) -> object:
    return item.get("content") or item.get("arguments") or item.get("input") or ""
