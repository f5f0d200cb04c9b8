"""Token counts, and the prompt cache that they reflect (docs/backend.md, 5)."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

CHARACTERS_PER_TOKEN = 4
MOST_KEYS = 256


@dataclass(frozen=True)
class Usage:
    input: int
    cached: int
    output: int
    reasoning: int

    def json(self) -> dict[str, Any]:
        return {
            "input_tokens": self.input,
            "input_tokens_details": {"cached_tokens": self.cached, "cache_write_tokens": 0},
            "output_tokens": self.output,
            "output_tokens_details": {"reasoning_tokens": self.reasoning},
            "total_tokens": self.input + self.output,
        }


def tokens(value: object) -> int:
    return -(-_characters(value) // CHARACTERS_PER_TOKEN)


def _characters(value: object) -> int:
    match value:
        case str():
            return len(value)
        case list():
            return sum(map(_characters, value))
        case dict():
            return sum(map(_characters, value.values()))
    return 1


class PromptCache:
    """Remembers the last prompt of each cache key and session, and how far the next one is the same."""

    def __init__(self) -> None:
        self.seen: OrderedDict[tuple[str, str, str | None], list[object]] = OrderedDict()

    def count(self, account: str, session: str | None, body: dict[str, Any]) -> tuple[int, int]:
        """All input tokens, and those of the prefix in common with the last prompt of that key; without a key, none."""
        head = [body["model"], body.get("instructions"), body.get("tools")]
        prompt = [head, *body["input"]]
        counts = [tokens(each) for each in prompt]
        if not body.get("prompt_cache_key"):
            return sum(counts), 0
        key = (account, body["prompt_cache_key"], session)
        before = self.seen.get(key, [])
        common = 0
        for old, new in zip(before, prompt, strict=False):
            if old != new:
                break
            common += 1
        self.seen[key] = prompt
        self.seen.move_to_end(key)
        if len(self.seen) > MOST_KEYS:
            self.seen.popitem(last=False)
        return sum(counts), sum(counts[:common])
