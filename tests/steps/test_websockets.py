"""Messages of a WebSocket through the step, with a list of them as mitmproxy has it, and no connection under it."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from mitmproxy import command, http
from mitmproxy import flow as mitmproxy_flow
from mitmproxy.test import taddons, tflow
from mitmproxy.websocket import WebSocketMessage
from wsproto.frame_protocol import Opcode

from codex_proxy.account.tokens import fingerprint
from codex_proxy.errors import ProxyError
from codex_proxy.front import routes
from codex_proxy.layers import websocket_messages
from codex_proxy.steps.login import Login
from codex_proxy.steps.memory import Memory
from codex_proxy.steps.models import Models
from codex_proxy.steps.patch_body import PatchBody
from codex_proxy.steps.patching import Patching
from codex_proxy.steps.recent_requests import RecentRequests
from codex_proxy.steps.stopping import Stopping
from codex_proxy.steps.timeouts import Timeouts
from codex_proxy.steps.usage_windows import UsageWindows
from codex_proxy.steps.user_defaults import UserDefaults
from codex_proxy.steps.websockets import ENDS_SOON, FAILED, RESTART, WebSockets
from codex_proxy.walk.exchange import Exchange
from codex_proxy.websocket import turns
from codex_proxy.websocket.turns import Connection

from .. import oracle
from .events import COMPLETED, CREATED, DELTA, DONE, data, event, item
from .flows import asked, configure, until

USER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
CREATE = {"type": "response.create", "model": "gpt-6-sol", "instructions": "", "input": [USER]}
TURN = [data(each) for each in (CREATED, DELTA, DONE, COMPLETED)]
EXPIRED = msgspec.json.encode({"type": "error", "status": 401, "error": {"code": "token_expired", "message": "x"}})
REGION = EXPIRED.replace(b'"x"', b'"Your workspace is not authorized in this region."')


class Injects:
    """mitmproxy's command by which the proxy says something: here it is only noted."""

    def __init__(self) -> None:
        self.said: list[bytes] = []

    @command.command("inject.websocket")  # type: ignore[untyped-decorator]
    def inject(self, flow: mitmproxy_flow.Flow, to_client: bool, message: bytes, is_text: bool = True) -> None:
        assert to_client and is_text
        self.said.append(message)


@pytest.fixture
def injects(context: taddons.context) -> Iterator[Injects]:
    # The class by whose annotations mitmproxy reads the command.
    context.master.addons.add(found := Injects())
    yield found


@pytest.fixture
def step(login: Login, injects: Injects) -> WebSockets:
    configure(patching := Patching(), codex_model_map=["gpt-4*=gpt-6-luna"])
    configure(defaults := UserDefaults(), codex_instructions="none")
    models, memory = Models(login), Memory()
    patch_body = PatchBody(patching, models, memory, defaults)
    usage = UsageWindows(login)
    return WebSockets(patch_body, models, memory, login, Timeouts(), Stopping(), usage, RecentRequests())


@pytest.fixture
async def opened(step: WebSockets, login: Login) -> tuple[http.HTTPFlow, Exchange]:
    """A connection that is upgraded, with the login's token."""
    flow, exchange = asked("GET", route=routes.SOCKET, sent_at=time.monotonic(), connection=Connection())
    flow.websocket = tflow.twebsocket(messages=False)
    flow.websocket.messages = []
    tokens = await login.store.fresh()
    exchange.token, exchange.token_ends = fingerprint(tokens.access_token), tokens.expires_at
    exchange.token_was_sent = True
    websocket_messages.watch(flow, lambda: None)
    return flow, exchange


async def message(
    step: WebSockets, on: tuple[http.HTTPFlow, Exchange], content: bytes, *, from_client: bool, text: bool = True
) -> WebSocketMessage:
    """What becomes of a message."""
    flow, exchange = on
    assert flow.websocket
    made = WebSocketMessage(Opcode.TEXT if text else Opcode.BINARY, from_client, content)
    flow.websocket.messages.append(made)
    await step.websocket_message(flow, exchange)
    return made


def encoded(**changes: Any) -> bytes:
    return msgspec.json.encode({**CREATE, **changes})


def told(injects: Injects) -> Any:
    return msgspec.json.decode(injects.said[-1])


@pytest.mark.parametrize(
    ("changes", "model"),
    [
        ({}, "gpt-6-sol"),
        ({"temperature": 1, "store": True}, "gpt-6-sol"),
        ({"model": "gpt-4.1"}, "gpt-6-luna"),
        ({"input": "Hi"}, "gpt-6-sol"),
        ({"stream": False}, "gpt-6-sol"),
        ({"generate": False}, "gpt-6-sol"),
    ],
)
async def test_a_turn_goes_up_as_the_backend_takes_it(
    step: WebSockets, opened: tuple[http.HTTPFlow, Exchange], changes: dict[str, Any], model: str
) -> None:
    up = await message(step, opened, encoded(**changes), from_client=True)
    sent = msgspec.json.decode(up.content)
    assert not up.dropped and sent.pop("type") == "response.create" and sent["model"] == model
    sent.pop("generate", None)
    assert oracle.refusal({"stream": True, **sent}) is None
    (record,) = opened[1].turns
    assert (record.number, record.sent_model) == (1, model) and record.sent_at is not None
    assert record.notes == (["warm-up"] if "generate" in changes else [])


@pytest.mark.parametrize(
    ("content", "text", "code"),
    [
        (b"no json", True, "invalid_json"),
        (b"[]", True, "not_an_object"),
        (encoded(), False, "invalid_json"),
    ],
)
async def test_what_the_backend_would_not_take_is_refused_and_the_connection_stays(
    step: WebSockets,
    opened: tuple[http.HTTPFlow, Exchange],
    injects: Injects,
    content: bytes,
    text: bool,
    code: str,
) -> None:
    up = await message(step, opened, content, from_client=True, text=text)
    assert up.dropped and (told(injects)["type"], told(injects)["error"]["code"]) == ("error", code)
    assert opened[1].connection and not opened[1].connection.closing and opened[1].turns == []


async def test_a_message_of_another_kind_goes_up_as_it_is(
    step: WebSockets, opened: tuple[http.HTTPFlow, Exchange]
) -> None:
    content = b'{"type": "response.processed", "x": 1}'
    up = await message(step, opened, content, from_client=True)
    assert (up.dropped, up.content, opened[1].turns) == (False, content, [])


@pytest.mark.parametrize("case, code, closes", [("not claimed", "not_claimed", False), ("stopping", "stopping", False), ("token", turns.CONNECT_ANEW, True)])  # fmt: skip
async def test_no_turn_begins_where_it_could_not_end(
    step: WebSockets,
    opened: tuple[http.HTTPFlow, Exchange],
    injects: Injects,
    case: str,
    code: str,
    closes: bool,
) -> None:
    _, exchange = opened
    if case == "stopping":
        step.stopping.is_asked = True
    elif case == "token":
        exchange.token_ends = time.time() + ENDS_SOON / 2
    socket = exchange.connection
    if case == "not claimed":
        exchange.connection = None
    up = await message(step, opened, encoded(), from_client=True)
    assert up.dropped and told(injects)["error"]["code"] == code
    assert socket and (socket.closing is not None) is closes


async def test_an_answer_is_repaired_and_told_of_as_one_message(
    step: WebSockets, opened: tuple[http.HTTPFlow, Exchange]
) -> None:
    flow, exchange = opened
    await message(step, opened, encoded(), from_client=True)
    down = [await message(step, opened, each, from_client=False) for each in TURN]
    assert [each.dropped for each in down] == [False] * len(TURN)
    assert msgspec.json.decode(down[-1].content)["response"]["output"] == [item("Hello")]
    await asyncio.sleep(0)
    assert flow.websocket and len(flow.websocket.messages) == 2
    assert flow.websocket.messages[1].content.count(b"data: ") == len(TURN)
    (record,) = exchange.turns
    assert record.ended == "response.completed" and record.tokens and record.tokens.output == 2
    assert record.answered == flow.websocket.messages[1].timestamp
    assert step.is_quiet(flow)


@pytest.mark.parametrize("memory, is_kept", [("1m", True), ("0", False)])
async def test_a_turn_can_be_followed_upon(
    step: WebSockets, opened: tuple[http.HTTPFlow, Exchange], memory: str, is_kept: bool
) -> None:
    configure(step.memory, codex_memory=memory)
    await message(step, opened, encoded(store=True), from_client=True)
    for each in TURN:
        await message(step, opened, each, from_client=False)
    assert (step.memory.store.conversation("", "resp_1") is not None) is is_kept
    # The backend remembers it for this connection.
    up = await message(step, opened, encoded(previous_response_id="resp_1"), from_client=True)
    assert msgspec.json.decode(up.content)["previous_response_id"] == "resp_1"


@pytest.mark.parametrize(
    ("came", "was_sent", "closes"),
    [
        (EXPIRED, True, True),
        (EXPIRED, False, False),
        (REGION, True, False),
        (EXPIRED.replace(b"401", b"429"), True, False),
    ],
)
async def test_after_a_refused_token_a_client_is_to_connect_again(
    step: WebSockets,
    opened: tuple[http.HTTPFlow, Exchange],
    came: bytes,
    was_sent: bool,
    closes: bool,
) -> None:
    _, exchange = opened
    exchange.token_was_sent = was_sent
    await message(step, opened, encoded(), from_client=True)
    down = await message(step, opened, came, from_client=False)
    # The login has no refresh token: what is said is that it is of no use any more.
    assert exchange.connection and (down.dropped, exchange.connection.closing is not None) == (closes, closes)


async def test_a_word_that_closes_is_the_last_one(
    step: WebSockets, opened: tuple[http.HTTPFlow, Exchange], injects: Injects
) -> None:
    flow, exchange = opened
    await message(step, opened, encoded(), from_client=True)
    step.close(flow, ProxyError("backend_timeout", "Too late."), FAILED)
    step.close(flow)
    assert told(injects)["error"]["code"] == "backend_timeout" and len(injects.said) == 1
    assert exchange.connection and exchange.connection.closing == (injects.said[0], FAILED, "Too late.")
    assert (await message(step, opened, TURN[1], from_client=False)).dropped
    assert exchange.turns[0].error == "backend_timeout"


async def test_a_quiet_connection_is_closed_without_a_word(
    step: WebSockets, opened: tuple[http.HTTPFlow, Exchange], injects: Injects
) -> None:
    flow, exchange = opened
    step.close(flow)
    assert injects.said == [b""] and exchange.connection and exchange.connection.closing
    assert exchange.connection.closing[1] == RESTART


@pytest.mark.parametrize("by_client, code", [(True, "client_gone"), (False, "stream_broken")])
async def test_a_turn_ends_with_its_connection(
    step: WebSockets, opened: tuple[http.HTTPFlow, Exchange], by_client: bool, code: str
) -> None:
    flow, exchange = opened
    await message(step, opened, encoded(), from_client=True)
    assert flow.websocket
    flow.websocket.closed_by_client = by_client
    step.websocket_end(flow, exchange)
    await asyncio.sleep(0)
    assert exchange.turns[0].error == code and exchange.connection is None


async def test_a_backend_that_is_silent_in_a_turn_is_given_up(
    step: WebSockets, opened: tuple[http.HTTPFlow, Exchange], injects: Injects
) -> None:
    step.timeouts.idle = 0.05
    await message(step, opened, encoded(), from_client=True)
    await until(lambda: injects.said)
    assert told(injects)["error"]["code"] == "backend_timeout"
    assert opened[1].turns[0].error == "backend_timeout"


@pytest.mark.parametrize(
    ("route", "status", "websocket", "refused"),
    [
        (routes.SOCKET, 101, True, False),
        (routes.SOCKET, 101, False, True),
        (routes.SOCKET, 200, False, True),
        (routes.SOCKET, 403, False, False),
        (routes.ROUTES["/responses"], 101, False, True),
        (routes.ROUTES["/responses"], 200, False, False),
    ],
)
async def test_an_upgrade_is_one_or_is_refused(
    step: WebSockets, route: routes.Route, status: int, websocket: bool, refused: bool
) -> None:
    flow, exchange = asked("GET", route=route)
    flow.response = http.Response.make(status)
    step.responseheaders(flow, exchange)
    assert (flow.response.headers.get("connection") == "Upgrade") is (status == 101)
    if websocket:
        flow.websocket = tflow.twebsocket(messages=False)
    if refused:
        with pytest.raises(ProxyError, match=str(status)):
            step.response(flow, exchange)
        return
    step.response(flow, exchange)
    # From now on what a client sends goes up only where it is let through.
    assert not websocket or (flow.websocket and isinstance(flow.websocket.messages, websocket_messages.Messages))


@pytest.mark.parametrize("is_official", [True, False])
async def test_an_event_of_usage_is_noted_and_kept_from_clients_that_do_not_know_it(
    step: WebSockets, opened: tuple[http.HTTPFlow, Exchange], is_official: bool
) -> None:
    connection = opened[1].connection
    assert connection
    connection.turns.is_official = is_official
    await message(step, opened, encoded(), from_client=True)
    limits = {"primary": {"used_percent": 12, "window_minutes": 300, "reset_after_seconds": 60}}
    came = data(event("codex.rate_limits", rate_limits=limits))
    down = await message(step, opened, came, from_client=False)
    assert (down.content, down.dropped) == (came, not is_official)
    assert [window.used for window in step.usage.windows()] == [12]
