"""`stop` of a chat completion: find the strings that end an answer."""

from collections.abc import Sequence


class StopText:
    """Takes a text piece by piece and gives what stands before the first of `stops`, however the pieces are cut.

    `hit` once one of them came. The first is the one that is complete first; what may be the beginning of one is held back.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.stops = [stop for stop in stops if stop]
        self.hit = False
        self._held = ""

    def feed(self, text: str) -> str:
        if not self.stops:
            return text
        if self.hit:
            return ""
        held = self._held + text
        found = [(at + len(stop), at) for stop in self.stops if (at := held.find(stop)) >= 0]
        if found:
            self.hit, self._held = True, ""
            return held[: min(found)[1]]
        keep = max(self._begun(held, stop) for stop in self.stops)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]

    def flush(self) -> str:
        """What was held back, as nothing more comes."""
        rest, self._held = self._held, ""
        return rest

    def _begun(self, text: str, stop: str) -> int:
        """How many characters at the end of `text` may be the beginning of `stop`."""
        return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
