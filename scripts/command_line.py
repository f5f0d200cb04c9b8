"""Argument parser whose errors suggest the command line that was probably meant."""

import argparse
import difflib
import ipaddress
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

PORT = re.compile(r"[-:]*(\d{1,5})")
HOST_AND_PORT = re.compile(r"(\[[\da-fA-F:.]+\]|[A-Za-z\d.-]+):(\d{1,5})")
NAME_AND_VALUE = re.compile(r"-*([A-Za-z][\w-]*)=(.*)", re.DOTALL)
# An option of the addon's, however it is written.
OURS = re.compile(r"-*codex[_-][\w-]+")

Meaning = Callable[[str], str | None]


class Parser(argparse.ArgumentParser):
    """argparse's, and it says of a bare word, or of an option that does not exist, how it is written.

    `more`: what else a bare word may mean, asked first; each takes the word, and gives arguments or None. `otherwise` is
    told where a word means nothing.
    """

    def __init__(self, *args: Any, more: Sequence[Meaning] = (), otherwise: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.more, self.otherwise = more, otherwise

    def read(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """Ends with status 2 where an argument has no place."""
        given = list(sys.argv[1:] if arguments is None else arguments)
        known, rest = self.parse_known_args(given)
        if rest := [word for word in rest if word != "--"]:
            self.refuse(rest, self.prog, alone=len(rest) == len(given))
        return known

    def refuse(self, rest: Sequence[str], begin: str, *, alone: bool) -> NoReturn:
        """`begin`: the line up to the words; `alone`: there were no other arguments."""
        problem, parts = self._problem(rest), self._meant(rest)
        if parts:
            problem += f" Did you mean:\n  {begin} {' '.join(parts)}{'' if alone else ' …'}"
        elif self.otherwise and not rest[0].startswith("-"):
            problem += f" {self.otherwise.format(word=shlex.quote(rest[0]))}"
        else:
            problem += f" For help: {self.prog} --help"
        self.exit(2, f"{problem}\n")

    def _problem(self, rest: Sequence[str]) -> str:
        told = rest[0] if rest[0].isprintable() else ascii(rest[0])
        if told.startswith("-") and not PORT.fullmatch(told):
            return f"{self.prog} has no option {told.partition('=')[0]}."
        return f"{self.prog} does not take the argument {told}."

    def _meant(self, rest: Sequence[str]) -> list[str]:
        """Arguments in the place of all that had none; empty if one of them has no meaning."""
        parts, ahead = [], list(rest)
        while ahead:
            word = ahead.pop(0)
            meant = self._with_value(word, ahead) or self.meaning(word)
            if meant is None:
                return []
            parts.append(meant)
        return parts

    def _with_value(self, word: str, ahead: list[str]) -> str | None:
        """The option that a word names, with the next word, which is consumed, as its value."""
        name = self._option(word)
        is_ours = self.has("--set") and OURS.fullmatch(word)
        if "=" in word or not (is_ours or (name and self._option_string_actions[name].nargs not in (0, "?"))):
            return None
        value = shlex.quote(ahead.pop(0)) if ahead and not ahead[0].startswith("-") else "…"
        return f"{name} {value}" if name else f"--set {word.lstrip('-').replace('-', '_')}={value}"

    def _option(self, word: str) -> str | None:
        """The option of that name, or, of something that looks like an option, the one nearest to it."""
        name = "--" + word.lstrip("-").partition("=")[0].replace("_", "-")
        if name in self._option_string_actions:
            return name
        if not word.startswith("-"):
            return None
        near = difflib.get_close_matches(name, self._option_string_actions, 1, 0.75)
        return near[0] if near else None

    def meaning(self, word: str) -> str | None:
        """What a word by itself was probably meant as."""
        for meant in (*self.more, self._place, self._named, self._file):
            if found := meant(word):
                return found
        return None

    def has(self, *options: str) -> bool:
        return all(option in self._option_string_actions for option in options)

    def _place(self, word: str) -> str | None:
        """A port, a host, both, or an address: where to listen, or where the proxy is."""
        host, port, url = "", "", ""
        if found := PORT.fullmatch(word):
            port = found[1]
        elif found := HOST_AND_PORT.fullmatch(word):
            host, port = found[1], found[2]
        elif re.match(r"https?://", word):
            parts = urlsplit(word)
            url, host = word, parts.hostname or ""
            if self.has("--host", "--port") and is_here(host) and parts.path in ("", "/"):
                url, port = "", str(parts.port or "")
        elif is_here(word) or is_address(word):
            host = word
        if url:
            for option, form in (
                ("--url", "--url {}"),
                ("--upstream", "--upstream {}"),
                ("--set", "--set codex_upstream={}"),
            ):
                if self.has(option):
                    return form.format(shlex.quote(url))
        if self.has("--url") and port:
            return f"--url http://{host or '127.0.0.1'}:{port}"
        parts_given = [("--host", host.strip("[]")), ("--port", port)]
        if (host or port) and all(self.has(option) for option, value in parts_given if value):
            return " ".join(f"{option} {value}" for option, value in parts_given if value)
        return None

    def _named(self, word: str) -> str | None:
        """NAME=VALUE, or the name of an option without its dashes."""
        if (name := self._option(word)) and "=" in word:
            return f"{name} {shlex.quote(word.partition('=')[2])}"
        if name:
            return name
        if not self.has("--set"):
            return None
        if found := NAME_AND_VALUE.fullmatch(word):
            return f"--set {shlex.quote(f'{found[1].replace("-", "_")}={found[2]}')}"
        return None

    def _file(self, word: str) -> str | None:
        if self.has("--auth-file") and Path(word).is_file():
            return f"--auth-file {shlex.quote(word)}"
        return None


def is_here(host: str) -> bool:
    return host.strip("[]").lower() in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::")


def is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word.strip("[]"))
    except ValueError:
        return False
    return True
