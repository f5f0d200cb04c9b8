"""Every option of the proxy, as a table: mitmproxy, `docs/options.md` and the tests go by it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from .. import defaults
from ..models.name_map import Entries
from ..net import policy
from ..net.listeners import ALLOW
from ..request import user_defaults


class Option(NamedTuple):
    """`kind` is mitmproxy's type of it: `str`, `bool` or a sequence; a number is a text, so that a wrong one is told in our words."""

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
        "The file of the login. Empty: what the environment has, else $CODEX_HOME/auth.json, else ~/.codex/auth.json, or the"
        " keyring where the Codex CLI has it.",
    ),
    Option("codex_originator", str, defaults.ORIGINATOR, "Who we say we are: header originator, and User-Agent."),
    Option(
        "codex_client_key", str, "",
        "Key that a caller has to present; without one only this machine may call. env:NAME or file:PATH keep it off the"
        " command line, where every user of the machine can read it.",
    ),
    Option(
        "codex_allow_origins", Sequence[str], [],
        "Web origins whose pages may call, as in http://localhost:5173 or chrome-extension://ID; without one no page may.",
    ),
    Option(
        ALLOW, bool, False,
        "Allow a regular, SOCKS, transparent, WireGuard or local listener of the same process that others can reach;"
        " through it they could use the Codex listener as a program of this machine.",
    ),
    Option(
        "codex_patch", str, "full",
        "full: everything the backend would refuse is put right; store: store:false and nothing else.",
    ),
    Option(
        "codex_model_map", Entries, [],
        "Sequence of PATTERN=MODEL or PATTERN=MODEL:EFFORT; first match wins. As in gpt-4.1=gpt-6-luna, *=gpt-6-sol:low.",
    ),
    Option(
        "codex_model_default", str, "",
        "MODEL or MODEL:EFFORT in the place of names that the account does not have; empty: the backend refuses them.",
    ),
    Option(
        "codex_model_variants", bool, False,
        "List each model also once for each of its efforts, as gpt-6-sol-high; such names are understood either way.",
    ),
    Option(
        "codex_client_version", str, defaults.CLIENT_VERSION,
        "client_version for the model catalogue, where the client has none; for an old one the backend leaves models out.",
    ),
    Option(
        "codex_instructions", str, "none",
        "Instructions where a client sends none: none; model: those the account's list of models has; a file, read again when it"
        " changes; an https address, asked again every hour and kept in ~/.local/state/codex-proxy.",
    ),
    *(
        Option(name, str, "", f"The {name.removeprefix('codex_')} where a client asks for none: {', '.join(words)}.")
        for name, words in CHOICES.items()
    ),
    Option(
        "codex_affinity", bool, True,
        "Give conversations of clients that name no session one of their own, for the backend's prompt cache.",
    ),
    Option(
        "codex_memory", str, "64m",
        "How much of what passed here is kept in memory, for clients that refer to it by id as if it were stored; 0 keeps"
        " nothing.",
    ),
    Option(
        "codex_body_limit", str, "128m", "Largest request body taken; k, m and g as in mitmproxy's own options."
    ),
    Option(
        "codex_compress", bool, True,
        "Send request bodies above 64 KB up compressed (zstd), as the official client does.",
    ),
    Option(
        "codex_head_timeout", str, "30",
        "How long a request's head may take, from its first byte; a connection that never sends one stays twice as long. Seconds.",
    ),
    Option(
        "codex_connect_timeout", str, f"{policy.CONNECT_TIMEOUT:g}",
        "How long a connection to the backend may take, TLS included; seconds.",
    ),
    Option(
        "codex_idle_timeout", str, f"{policy.IDLE_TIMEOUT:g}",
        "How long the backend may be silent in an answer; seconds.",
    ),
    Option(
        "codex_stop_timeout", str, "30",
        "How long running answers may go on after SIGTERM, while new connections are refused; seconds.",
    ),
    Option(
        "codex_capture", str, "",
        "Folder that gets what clients send, one readable file for each request, without secrets. Empty: nothing is kept.",
    ),
    Option(
        "codex_dry_run", bool, False,
        "Answer from a canned stream and send nothing to the backend; needs no login. The client is taken through a text,"
        " and a call of one of its tools with made-up arguments if it sent any.",
    ),
    Option("codex_keep_flows", str, "1000", "How many finished flows mitmweb and the console keep; 0 keeps all."),
)  # fmt: skip
