"""Tables of the headers that go up to the backend and of those that come down to the client (docs/backend.md, 2 and 6)."""

from collections.abc import Iterable, Mapping

from ..changes import Change
from ..message.field_values import Fields, cleaned
from ..output import redact

# From any client: what belongs to the request itself, and what keeps a conversation together.
FROM_ANY = frozenset(
    "content-encoding content-length content-type expect transfer-encoding session_id conversation_id session-id thread-id x-client-request-id"
    " x-codex-turn-state".split()
)

# From the official Codex: who it is, and its turn headers (docs/backend.md, 2); all of its family, as new ones come with each version.
FROM_CODEX = frozenset(
    "originator user-agent version x-openai-subagent x-openai-memgen-request"
    " x-openai-internal-codex-responses-lite x-openai-internal-codex-residency x-responsesapi-include-timing-metrics"
    " x-oai-attestation".split()
)
FAMILY_OF_CODEX = "x-codex-"

# The official programs' names for themselves (docs/backend.md, 2.1); each of them begins its User-Agent with it as well.
CODEX_ORIGINATORS = ("codex_", "codex-tui", "Codex ")

# From the backend, not for the client: cookies, other places, what holds for the backend's own connection, its word on who may
# read, and whose account it is.
NOT_DOWN = frozenset(
    "set-cookie set-cookie2 location content-location refresh alt-svc connection keep-alive trailer strict-transport-security"
    " report-to nel access-control-allow-origin access-control-allow-credentials access-control-expose-headers"
    " openai-organization openai-project".split()
)

# Internal, encrypted or useless here (docs/backend.md, 6): whole families, except what support asks for.
INTERNAL = ("x-oai-", "x-openai-internal-", "openai-internal-", "x-internal-", "x-envoy-")
FOR_SUPPORT = frozenset({"x-oai-request-id"})


def is_codex(headers: Mapping[str, str]) -> bool:
    """Is the caller itself the official Codex, by what it says of itself?"""
    originator = headers.get("originator", "")
    return originator.startswith(CODEX_ORIGINATORS) and headers.get("user-agent", "").startswith(originator)


def is_lite(headers: Mapping[str, str]) -> bool:
    """Does the request come in the "Responses Lite" form (docs/backend.md, 3.6)?"""
    return headers.get("x-openai-internal-codex-responses-lite", "").lower() == "true"


def upward(client: Mapping[str, str], ours: Mapping[str, str]) -> Fields:
    """The headers that go up, each once: `ours` first, then what may pass of the client's.

    `client` has one value a name; for the official Codex its own values win.
    """
    codex = is_codex(client)
    kept = {name.lower(): value for name, value in client.items() if _passes(name.lower(), codex)}
    result = {name: kept.pop(name.lower(), value) for name, value in ours.items()}
    return [(name.encode(), value.encode("latin-1", "replace")) for name, value in (result | kept).items()]


def _passes(name: str, codex: bool) -> bool:
    return name in FROM_ANY or (codex and (name in FROM_CODEX or name.startswith(FAMILY_OF_CODEX)))


# Why a header of the client's does not go up; the first that its name begins with.
REASONS = (
    ("authorization", "the client's own key; the login's token is sent instead"),
    ("x-api-key", "the client's own key"),
    ("api-key", "the client's own key"),
    ("cookie", "the client's own; the backend gets only Cloudflare's, which it set itself"),
    ("openai-organization", "only for API keys"),
    ("openai-project", "only for API keys"),
    ("x-stainless-", "telemetry of the SDK"),
    ("x-nanobot-", "for nanobot only"),
    ("x-forwarded", "reveals where the client is"),
    ("forwarded", "reveals where the client is"),
    (
        "openai-conversation-id",
        "OpenAI's platform names conversations so, this backend by session-id and prompt_cache_key",
    ),
    ("x-codex-", "only the official Codex may send those"),
    ("version", "a minimum-version check meant for the official Codex only"),
)

# Why a header goes up that the client did not send, or not so.
SET = {
    "accept": "answers come as events, the catalogue as JSON",
    "accept-encoding": "a compressed stream could not be read on the way",
    "authorization": "the token of your login",
    "chatgpt-account-id": "the account that the token is for",
    "cookie": "Cloudflare's, which it set itself",
    "openai-beta": "as other clients of this backend send it",
    "originator": "codex_originator: who we say we are",
    "user-agent": "begins with the originator, and says honestly what this is",
    "x-openai-fedramp": "the claims of the token ask for it",
    "x-openai-internal-codex-residency": "the claims of the token ask for it",
}
ONCE = "each header goes up once"


def changed(client: Iterable[Iterable[str]], sent: Iterable[tuple[bytes, bytes]]) -> list[Change]:
    """What happened to each of the client's headers on the way up."""
    before = {name.lower(): value for name, value in client}
    after = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in sent}
    framing = ("host", "content-length", "transfer-encoding", "connection", "expect")
    told = []
    for name, value in before.items():
        if name not in after and name not in framing:
            why = next((why for start, why in REASONS if name.startswith(start)), "nothing that the backend needs")
            told.append(Change(name, "taken off", why))
        elif name in after and after[name] != value and name not in framing:
            told.append(Change(name, f"{value} → {after[name]}", SET.get(name, ONCE)))
    told += [
        Change(name, f"set: {value}", SET.get(name, ONCE))
        for name, value in after.items()
        if name not in (*before, *framing)
    ]
    return told


def downward(fields: Iterable[tuple[bytes, bytes]], also: Iterable[str] = ()) -> Fields:
    """The headers that come down to the client, each a header line, none with a secret of ours in it; `also` names more that
    stay here."""
    stay = NOT_DOWN | redact.REQUEST_HEADERS | set(also)
    return [
        (name, redact.redact(value.decode("latin-1")).encode("latin-1"))
        for name, value in cleaned(fields)
        if not stays(name.decode("latin-1").lower(), stay)
    ]


def stays(name: str, stay: frozenset[str]) -> bool:
    return name in stay or (name.startswith(INTERNAL) and name not in FOR_SUPPORT)
