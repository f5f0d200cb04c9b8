"""The table of the proxy's options, for mitmproxy, `docs/options.md` and the tests."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from .. import defaults
from ..models.name_map import Entries
from ..net import policy
from ..net.listeners import ALLOW
from ..request import user_defaults


class Option(NamedTuple):
    """`kind` is mitmproxy's type of it: `str`, `bool` or a sequence; numbers are strings, so that a wrong one gets our own message."""

    name: str
    kind: Any
    default: Any
    help: str


CHOICES = {
    "codex_effort": user_defaults.EFFORTS,
    "codex_summary": user_defaults.SUMMARIES,
    "codex_verbosity": user_defaults.VERBOSITIES,
}

OPTIONS = (
    Option("codex_upstream", str, defaults.UPSTREAM, "Base address of the Codex backend."),
    Option("codex_issuer", str, defaults.ISSUER, "Base address of the OAuth server that renews the token."),
    Option(
        "codex_auth_file", str, "",
        "The file of the login. Empty: the login in the environment, else $CODEX_HOME/auth.json, else ~/.codex/auth.json, or the"
        " keyring if the Codex CLI uses it.",
    ),
    Option("codex_originator", str, defaults.ORIGINATOR, "The name that the proxy presents: header originator, and User-Agent."),
    Option(
        "codex_client_key", str, "",
        "Key that callers have to present; without one only this machine may call. env:NAME or file:PATH keep it off the"
        " command line, where other users of the machine could read it.",
    ),
    Option(
        "codex_allow_origins", Sequence[str], [],
        "Web origins whose pages may call, such as http://localhost:5173 or chrome-extension://ID; without one no web page may.",
    ),
    Option(
        ALLOW, bool, False,
        "Allow a regular, SOCKS, transparent, WireGuard or local listener of the same process that others can reach;"
        " through it they could use the Codex listener as a program of this machine.",
    ),
    Option(
        "codex_patch", str, "full",
        "full: patch everything that the backend would refuse; store: only set store to false.",
    ),
    Option(
        "codex_model_map", Entries, [],
        "Sequence of PATTERN=MODEL or PATTERN=MODEL:EFFORT; first match wins. As in gpt-4.1=gpt-6-luna, *=gpt-6-sol:low.",
    ),
    Option(
        "codex_model_default", str, "",
        "MODEL or MODEL:EFFORT in place of models that the account does not have, and where a request names none; a name that may be"
        " newer than the account's list goes up as it is. Empty: the backend refuses them.",
    ),
    Option(
        "codex_model_aliases", bool, True,
        "Let the account's small or default model answer for names that no subscription has (any more), such as gpt-4o-mini and"
        " gpt-4.1; codex_model_map and codex_model_default come first.",
    ),
    Option(
        "codex_model_variants", bool, False,
        "List each model also once for each of its efforts, as gpt-6-sol-high; such names are understood either way.",
    ),
    Option(
        "codex_client_version", str, defaults.CLIENT_VERSION,
        "client_version for the model catalogue, if the client sends none; above all there are, so that no new model is left out.",
    ),
    Option(
        "codex_instructions", str, "none",
        "Instructions if the client sends none: none; model: those in the account's list of models; a file, read again when it"
        " changes; an https address, fetched every hour and saved in ~/.local/state/codex-proxy.",
    ),
    *(
        Option(name, str, "", f"The {name.removeprefix('codex_')} if the client sets none: {', '.join(words)}.")
        for name, words in CHOICES.items()
    ),
    Option(
        "codex_affinity", bool, True,
        "Give each conversation a session if the client sends none, and keep the lines of its instructions in one order, for the"
        " backend's prompt cache.",
    ),
    Option(
        "codex_memory", str, "64m",
        "How much of past responses to keep in memory, for clients that refer to them by id as if they were stored; 0 keeps"
        " nothing.",
    ),
    Option(
        "codex_body_limit", str, "128m", "Largest request body accepted; k, m and g as in mitmproxy's own options."
    ),
    Option(
        "codex_compress", bool, True,
        "Send request bodies above 64 KB up compressed (zstd), as the official client does.",
    ),
    Option(
        "codex_head_timeout", str, "30",
        "Time limit for a request's head, in seconds from its first byte; a connection that sends nothing is kept twice as long.",
    ),
    Option(
        "codex_connect_timeout", str, f"{policy.CONNECT_TIMEOUT:g}",
        "Time limit for connecting to the backend, TLS included, in seconds.",
    ),
    Option(
        "codex_idle_timeout", str, f"{policy.IDLE_TIMEOUT:g}",
        "Time limit for silence of the backend in an answer, in seconds.",
    ),
    Option(
        "codex_stop_timeout", str, "30",
        "Time limit for running answers after SIGTERM, while new connections are refused, in seconds.",
    ),
    Option(
        "codex_capture", str, "",
        "Folder for captured requests, one readable file each, without secrets. Empty: no capture.",
    ),
    Option(
        "codex_dry_run", bool, False,
        "Answer from a canned stream and send nothing to the backend; needs no login. The client gets a text,"
        " and before it a call of one of its tools, with made-up arguments, if it sent any.",
    ),
    Option("codex_keep_flows", str, "1000", "How many finished flows mitmweb and the console keep; 0 keeps all."),
)  # fmt: skip
