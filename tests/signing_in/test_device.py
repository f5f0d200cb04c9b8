import json
import secrets
from collections.abc import Callable
from typing import Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.account import oauth
from codex_proxy.errors import IssuerError, LoginError
from codex_proxy.net.http_client import Answer
from codex_proxy.signing_in import device
from codex_proxy.signing_in.device import Approved, Device, approved, begin, begun, polled
from standin import Standin

from ..properties import examples


class Who(TypedDict):
    originator: str
    user_agent: str


ISSUER = "https://auth.example"
WHO: Who = {"originator": "nanobot-proxy", "user_agent": "nanobot-proxy/0 (x; y)"}


def answer(status: int, body: Any = b"", **headers: str) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()], data)


def error(status: int, code: str) -> Answer:
    return answer(status, {"error": {"message": "It says this.", "code": code}})


# The code to type in.


@pytest.mark.parametrize(
    "given, interval",
    [("5", 5.0), (5, 5.0), ("7.5", 7.5), ("0", 1.0), ("-1", 1.0), ("9999", 60.0), ("soon", 5.0), (None, 5.0), ([], 5.0), ("nan", 1.0)],
)  # fmt: skip
def test_the_pause_is_a_text_of_seconds(given: Any, interval: float) -> None:
    body = {"device_auth_id": "d", "user_code": "AB-CD", "interval": given}
    assert begun(answer(200, body), ISSUER) == Device("AB-CD", "https://auth.example/codex/device", "d", interval)


def test_the_code_has_two_names() -> None:
    assert begun(answer(200, {"device_auth_id": "d", "usercode": "AB"}), ISSUER + "/").user_code == "AB"


def test_where_it_is_not_enabled_it_is_said_where_to() -> None:
    with pytest.raises(LoginError, match=r"device code authorization for Codex.*--paste"):
        begun(answer(404, b"Not Found"), ISSUER)


@pytest.mark.parametrize(
    "response, said",
    [
        (error(401, "invalid_client"), "It says this."),
        (answer(500), "status 500"),
        (answer(530, b"<html>", content_type="text/html"), "a Cloudflare page"),
        (answer(200, {"user_code": "A"}), "status 200"),
        (answer(200, {"device_auth_id": 5, "user_code": "A"}), "status 200"),
        (answer(200, b"[]"), "status 200"),
    ],
    ids=lambda v: v.status if isinstance(v, Answer) else "",
)
def test_a_server_that_gives_no_code_is_told(response: Answer, said: str) -> None:
    with pytest.raises(IssuerError, match=f"can't start: {ISSUER} says: {said}"):
        begun(response, ISSUER)


# Was it typed in?

GIVEN = {"authorization_code": "c", "code_challenge": "x", "code_verifier": "v"}


@pytest.mark.parametrize(
    "response, result",
    [
        (answer(200, GIVEN), Approved("c", "v", "https://auth.example/deviceauth/callback")),
        (error(403, "deviceauth_authorization_unknown"), "pending"),
        (error(404, "deviceauth_authorization_unknown"), "pending"),
        (answer(403), "pending"),
        (answer(404, b"Not Found"), "pending"),
        (error(400, "authorization_pending"), "pending"),
        (error(400, "deviceauth_authorization_pending"), "pending"),
        (error(403, "slow_down"), "slow_down"),
        (answer(400, {"error": "slow_down"}), "slow_down"),
        (answer(429), "slow_down"),
    ],
)
def test_it_is_typed_in_or_not_yet(response: Answer, result: Approved | str) -> None:
    assert polled(response, ISSUER) == result


@pytest.mark.parametrize(
    "response, said",
    [
        (error(400, "expired_token"), "code expired"),
        (error(403, "deviceauth_expired"), "code expired"),
        (error(401, "authorization_declined"), "was denied"),
        (error(403, "access_denied"), "was denied"),
        (error(401, "novel"), "It says this."),
        (answer(400), "status 400"),
        (answer(200, {"authorization_code": "c"}), "status 200"),
    ],
)
def test_it_never_will_be(response: Answer, said: str) -> None:
    with pytest.raises(LoginError, match=said):
        polled(response, ISSUER)


@pytest.mark.parametrize(
    "response",
    [answer(500), answer(503, {"error": "expired_token"}), answer(403, b"<html>", content_type="text/html"), answer(403, b"", cf_mitigated="challenge")],
)  # fmt: skip
def test_a_failure_that_may_pass_is_none_of_both(response: Answer) -> None:
    with pytest.raises(IssuerError):
        polled(response, ISSUER)


@given(st.sampled_from([200, 400, 401, 403, 404]), st.dictionaries(st.sampled_from(["error", "code", *GIVEN]), st.none() | st.integers() | st.text(max_size=3) | st.lists(st.none())))  # fmt: skip
@examples(200)
def test_no_answer_makes_us_fail_in_another_way(status: int, body: Any) -> None:
    try:
        polled(answer(status, body), ISSUER)
    except (LoginError, IssuerError):
        pass


# Asking until it was.

WAITING = Device("AB-CD", "p", "d", 5.0)


class Answers:
    """Stands for the server: each question gets the next answer, and the pauses are noted, not made."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.pauses: list[float] = []

    async def post(self, *_: object) -> Answer:
        given = self.answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


Given = Callable[..., Answers]


@pytest.fixture
def given_answers(monkeypatch: pytest.MonkeyPatch) -> Given:
    def given(*answers: Answer | Exception) -> Answers:
        server = Answers(*answers)
        monkeypatch.setattr(oauth, "post_json", server.post)
        return server

    return given


async def asked(server: Answers, patience: float = 60.0) -> Approved:
    return await approved(ISSUER, WAITING, patience, sleep=server.sleep, **WHO)


PENDING = error(403, "deviceauth_authorization_unknown")
DOWN = IssuerError("issuer_unreachable", "It can't be reached.")


async def test_it_asks_in_the_pace_the_server_wants(given_answers: Given) -> None:
    server = given_answers(PENDING, error(400, "slow_down"), PENDING, answer(429), answer(200, GIVEN))
    assert (await asked(server)).code == "c"
    assert server.pauses == [5.0, 5.0, 10.0, 10.0, 15.0]


async def test_a_network_that_comes_back_is_waited_for(given_answers: Given) -> None:
    server = given_answers(DOWN, answer(500), DOWN, DOWN, PENDING, DOWN, DOWN, DOWN, DOWN, answer(200, GIVEN))
    assert (await asked(server)).verifier == "v"


async def test_five_failures_in_a_row_are_the_end(given_answers: Given) -> None:
    server = given_answers(*[DOWN] * 10)
    with pytest.raises(IssuerError):
        await asked(server)
    assert len(server.pauses) == device.FAILURES


async def test_the_code_has_an_end(given_answers: Given) -> None:
    server = given_answers(PENDING)
    with pytest.raises(TimeoutError):
        await asked(server, patience=0.0)
    assert server.answers == [PENDING]


async def test_the_stand_in_is_asked_as_the_cli_asks() -> None:
    async with Standin(device_interval=1) as standin:
        waiting = await begin(standin.issuer, **WHO)
        assert waiting.interval == 1.0 and waiting.page == f"{standin.issuer}/codex/device"
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                standin.approve_device(waiting.user_code)

        grant = await approved(standin.issuer, waiting, sleep=sleep, **WHO)
        tokens = await oauth.exchange(
            standin.issuer, grant.code, redirect_uri=grant.redirect_uri, verifier=grant.verifier, user_agent=WHO["user_agent"]
        )  # fmt: skip
        assert tokens.refresh_token and pauses == [1.0] * 3
        assert {(seen.header("originator"), seen.header("user-agent")) for seen in standin.requests} == {
            tuple(WHO.values())
        }


async def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(IssuerError, match="can't be reached"):
        await begin("http://127.0.0.1:1", **WHO)


def test_nothing_shown_holds_what_is_secret() -> None:
    secret = secrets.token_hex(8)
    assert secret not in repr(Device("A", "p", secret)) + repr(Approved(secret, secret, "u"))
