"""Whatever breaks on the way up, nothing leaves the machine, and the client gets an error it can read."""

from pathlib import Path

import pytest

from standin import Standin

from .harness import QUESTION, Start, ask, new_client

# Each step of the way up, by what it calls: module, function or method that is made to raise.
STEPS = {
    "claim": ("exchanges", "routes.escaped"),
    "admit": ("admit", "refusal"),
    "take off": ("admit", "take_off"),
    "route": ("route", "routes.find"),
    "token": ("inject_token", "fingerprint"),
    "headers": ("set_headers", "SetHeaders.ours"),
    "size": ("patch_body", "wire.bound_body"),
    "body": ("patch_body", "body_rules.patch"),
    "send": ("send", "UpstreamTimeout"),
}

BREAKER = """
import importlib

def broken(*args, **kwargs):
    raise RuntimeError("broken on purpose")

class Breaker:
    def running(self):
        place = importlib.import_module("codex_proxy.steps.{module}")
        *holders, name = "{name}".split(".")
        for holder in holders:
            place = getattr(place, holder)
        setattr(place, name, broken)

addons = [Breaker()]
"""


@pytest.mark.parametrize("step", STEPS)
async def test_an_exception_in_any_step_gives_500_and_nothing_leaves(
    step: str, start: Start, standin: Standin, login_file: Path, tmp_path: Path
) -> None:
    module, name = STEPS[step]
    script = tmp_path / "breaker.py"
    script.write_text(BREAKER.format(module=module, name=name))
    proxy = await start("-s", str(script), codex_upstream=standin.upstream, codex_auth_file=login_file)
    proxy.may_fail = True
    await proxy.logged("requests go to")
    async with new_client(proxy) as client:
        answer = await client.post("/responses", json=QUESTION)

    assert answer.status_code == 500
    assert answer.json()["error"]["code"] in ("proxy_failed", "not_claimed", "not_sent")
    assert "broken on purpose" not in answer.text
    assert standin.requests == []
    assert "broken on purpose" in proxy.log


ANSWER_STEPS = {
    "repair": ("answer", "repair.StreamRepairer.feed"),
    "whole": ("answer", "Answer._finish"),
    "explain": ("answer", "refusals.explain"),
    "repeat": ("retry", "Retry._with_other_token"),
}


@pytest.mark.parametrize("step", ANSWER_STEPS)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_an_exception_on_the_way_down_leaves_no_client_hanging(
    step: str, stream: bool, start: Start, standin: Standin, login_file: Path, tmp_path: Path
) -> None:
    module, name = ANSWER_STEPS[step]
    script = tmp_path / "breaker.py"
    script.write_text(BREAKER.format(module=module, name=name))
    proxy = await start("-s", str(script), codex_upstream=standin.upstream, codex_auth_file=login_file)
    proxy.may_fail = True
    if step == "explain":
        standin.fail("json-500")
    if step == "repeat":
        standin.fail("unauthorized")
    async with new_client(proxy) as client:
        answer = await ask(client, "/responses", {**QUESTION, "stream": stream})

    assert answer.status == 500 or "event: error" in answer.text or answer.status == 200
    if step in ("explain", "repeat"):
        assert answer.status == 500
    assert "broken on purpose" not in answer.text
