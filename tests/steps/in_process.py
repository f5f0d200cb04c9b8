"""The walk of `addon/codex.py` without sockets: flows are taken through the hooks of the conductor, as mitmproxy would."""

import importlib.util
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import jwt
import msgspec
from mitmproxy import exceptions, http
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import taddons, tflow, tutils

from codex_proxy.addons.codex_proxy import CodexProxy
from codex_proxy.addons.options import Options
from codex_proxy.steps import exchanges

from ..places import ADDON

LISTENER = "reverse:https://chatgpt.com@127.0.0.1:9090"

# What differs from one run to the next: times, and ids made at random.
CHANGING = re.compile(
    r"\b\d+(?:\.\d+)? m?s\b|\d{4}-\d\d-\d\dT[\d:.+Z-]+|[A-Za-z]+[_-][0-9a-f]{8,}|_ms\": ?\d+"
    r"|\"(?:created|created_at|completed_at|expires_in_seconds)\": ?\d+|[0-9a-f]{8}-[0-9a-f-]{27}|content-length', b'\d+"
)


def script() -> ModuleType:
    """`addon/codex.py`, loaded anew: with objects of its own."""
    spec = importlib.util.spec_from_file_location("codex_in_process", ADDON / "codex.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_login(path: Path) -> None:
    token = jwt.encode({"exp": int(time.time()) + 3600}, "not a secret of anybody's, and long enough")
    path.write_text(msgspec.json.encode({"tokens": {"access_token": token, "account_id": "acc-1"}}).decode())


@contextmanager
def loaded(walk: CodexProxy, login: Path, **options: Any) -> Iterator[taddons.context]:
    """The conductor with its options, and nothing of mitmproxy's own."""
    with taddons.context(Options(), walk, loadcore=False) as context:
        # A backend that nobody listens at: what the steps ask by themselves fails at once.
        context.options.update(
            codex_auth_file=str(login), codex_upstream="http://127.0.0.1:9/backend-api/codex", **options
        )
        walk.configure({*context.options.keys()})
        yield context


def flow(method: str, path: str, body: Any = None, headers: Sequence[tuple[str, str]] = ()) -> http.HTTPFlow:
    """A request of a client of ours, as it stands at `requestheaders`."""
    data = b"" if body is None else msgspec.json.encode(body)
    fields = [
        ("host", "127.0.0.1:9090"),
        ("authorization", "Bearer any"),
        ("content-type", "application/json"),
        *headers,
    ]
    request = tutils.treq(
        method=method.encode(),
        path=path.encode(),
        content=data,
        headers=http.Headers([(name.encode(), value.encode()) for name, value in fields]),
    )
    made = tflow.tflow(req=request, client_conn=tflow.tclient_conn())
    made.client_conn.proxy_mode = ProxyMode.parse(LISTENER)
    made.client_conn.peername, made.client_conn.sockname = ("127.0.0.1", 50000), ("127.0.0.1", 9090)
    made.live = True
    return made


async def walk_through(walk: CodexProxy, made: http.HTTPFlow, answer: http.Response | None) -> dict[str, Any]:
    """What of a flow can be seen from outside, once it has gone up and `answer` has come down."""
    seen: dict[str, Any] = {}
    try:
        await walk.requestheaders(made)
        await walk.request(made)
        seen["up"] = None if made.response else head(made.request) | {"body": made.request.raw_content}
        seen["comment on the way up"] = made.comment
        if made.response is None and answer is not None:
            made.response = answer
            body, made.response.data.content = answer.raw_content or b"", b""
            walk.responseheaders(made)
            if callable(made.response.stream):
                seen["stream"] = [*made.response.stream(body), *made.response.stream(b"")]
            else:
                made.response.raw_content = body
        await walk.response(made)
    except exceptions.AddonHalt:
        seen["hidden"] = True
    if made.response:
        seen["down"] = [made.response.status_code, made.response.headers.fields, made.response.raw_content]
    exchange = exchanges.of(made)
    assert exchange
    return seen | {
        "marked": made.marked,
        "comment": made.comment,
        "notes": exchange.notes,
        "changes": exchange.changes,
        "header changes": exchange.header_changes,
        "tokens": exchange.tokens and exchange.tokens.line(),
        "refused": exchange.refused,
    }


def head(request: http.Request) -> dict[str, Any]:
    return {
        "to": (request.scheme, request.data.host, request.port, request.path),
        "headers": sorted(request.headers.fields),
    }


def steady(value: object) -> str:
    """What was seen as a text, without what differs from one run to the next."""
    return CHANGING.sub("…", repr(value))
