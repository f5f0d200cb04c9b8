"""What each client is taken through: what the stand-in says, and what the client's user has to see of it."""

import base64
import json
from collections.abc import Awaitable, Callable

from standin import Seen, Standin
from standin.answers.items import AnswerContent

from .harness import Driver

SAID = "Grüße aus Oslo — 后端, 🌦️ und sonst nichts."
CITIES = ["Oslo", "Tromsø", "東京"]
PARSED = {"city": "Tromsø", "degrees": -3}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

REFUSED = "model is not supported when using Codex with a ChatGPT account."

type Scenario = Callable[[Driver, Standin], Awaitable[str]]
"""Gives what stands in the page's table; raises AssertionError where the user sees something else."""


def turns_of(standin: Standin) -> list[Seen]:
    """Without a WebSocket's upgrade, and what the Codex CLI warms it up with."""
    turns = [seen for seen in standin.requests if seen.path.endswith("/responses") and seen.json]
    return [seen for seen in turns if seen.json.get("generate") is not False]


def unrefused(standin: Standin) -> list[Seen]:
    turns = turns_of(standin)
    assert [seen.refusal for seen in turns] == [None] * len(turns)
    return turns


async def text(driver: Driver, standin: Standin) -> str:
    standin.answer(text=SAID)
    assert await driver.run("text") == {"text": SAID}
    unrefused(standin)
    return "yes"


async def stream(driver: Driver, standin: Standin) -> str:
    standin.answer(text=SAID)
    seen = await driver.run("stream")
    assert "".join(seen["pieces"]) == SAID, seen
    unrefused(standin)
    return "yes"


async def tools(driver: Driver, standin: Standin) -> str:
    """Three rounds of one call each, then a text; the reasoning of each round goes up again with its call."""
    name, how = driver.client.call
    arguments = [how.replace("CITY", city) for city in CITIES]
    calls = [(name, json.loads(each) if how.startswith("{") else each) for each in arguments]
    standin.answers(*[AnswerContent(tool=call) for call in calls], AnswerContent(text=SAID))
    seen = await driver.run("tools")
    assert seen == {"text": SAID, "called": CITIES}
    turns = unrefused(standin)
    assert len(turns) == 4
    if turns[-1].json.get("previous_response_id"):
        return "yes"
    last = turns[-1].json["input"]
    assert sum(item.get("type", "").endswith("_call_output") for item in last) == len(CITIES)
    thoughts = [item for item in last if item.get("type") == "reasoning" and item.get("encrypted_content")]
    assert len(thoughts) == len(CITIES), [item.get("type") for item in last]
    return "yes"


async def structured(driver: Driver, standin: Standin) -> str:
    if tool := driver.client.output_tool:
        standin.answer(tool=(tool, PARSED))
    else:
        standin.answer(text=json.dumps(PARSED, ensure_ascii=False))
    assert await driver.run("structured") == PARSED
    body = unrefused(standin)[-1].json
    schema = body["tools"][-1]["parameters"] if tool else body["text"]["format"]["schema"]
    assert set(schema["properties"]) == set(PARSED)
    return "yes"


async def image(driver: Driver, standin: Standin) -> str:
    standin.answer(text=SAID)
    assert await driver.run("image") == {"text": SAID}
    content = unrefused(standin)[-1].json["input"][-1]["content"]
    urls = [part["image_url"] for part in content if part["type"] == "input_image"]
    assert [base64.b64decode(url.partition(",")[2]) for url in urls] == [base64.b64decode(PNG)]
    return "yes"


async def turns(driver: Driver, standin: Standin) -> str:
    standin.answer(text=SAID)
    assert await driver.run("turns") == {"text": SAID}
    said = [item["role"] for item in unrefused(standin)[-1].json["input"] if item.get("role") in ("user", "assistant")]
    assert said[-3:] == ["user", "assistant", "user"]
    return "yes"


async def refused(driver: Driver, standin: Standin, failure: str, says: str) -> str:
    """What its user gets: an exception, or a program's message; and how often the client asked."""
    standin.fail(failure, times=None)
    told = {}
    for scenario in [each for each in ("text", "stream") if each in driver.client.scenarios]:
        standin.requests.clear()
        seen = await driver.run(scenario)
        assert says in seen.get("says", ""), seen
        tries = len(turns_of(standin))
        what = f"`{seen['error']}`" if seen["error"] else "message"
        told[scenario] = f"{what}, {tries} {'try' if tries == 1 else 'tries'}"
    both = dict.fromkeys(told.values())
    return next(iter(both)) if len(both) == 1 else "; ".join(f"{name}: {each}" for name, each in told.items())


async def model(driver: Driver, standin: Standin) -> str:
    says = REFUSED if is_official(driver) else f"{REFUSED} Similar models of this subscription: gpt-6.2-sol"
    return await refused(driver, standin, "model-refused", says)


async def limit(driver: Driver, standin: Standin) -> str:
    # The CLI has words of its own, if it is told enough (docs/backend.md, 13).
    official = "hit your usage limit"
    says = official if is_official(driver) else "The 5-hour limit of the plan plus is reached. It resets at "
    return await refused(driver, standin, "usage-limit:3600", says)


# How a stream breaks, after some of its text → what the client's user has to be told.
BROKEN = {
    "reset": "closed the connection before its answer was complete",
    "failed-late": "The server had an error processing your request.",
    "silence:3": "stopped in the middle of its answer",
}


async def broken(driver: Driver, standin: Standin) -> str:
    """Half an answer is nowhere taken for a whole one, and nobody asks twice for a turn that was paid."""
    told = {}
    for scenario in driver.client.streams:
        for failure, says in BROKEN.items():
            standin.answer(text=SAID)
            standin.fail(failure, times=None)
            standin.requests.clear()
            seen = await driver.run(scenario)
            standin.recover()
            assert says in seen.get("says", ""), (scenario, failure, seen)
            tries = len(turns_of(standin))
            what = f"`{seen['error']}`" if seen["error"] else "message"
            told[scenario, failure] = f"{what}, {tries} {'try' if tries == 1 else 'tries'}"
    return "; ".join(dict.fromkeys(told.values()))


def is_official(driver: Driver) -> bool:
    return driver.client.package == "@openai/codex"


def cut_after_the_first_text(body: bytes) -> list[bytes]:
    """The pieces of a stream; a stand-in that holds it stops after the first one."""
    delta = b"event: response.output_text.delta"
    at = body.index(delta, body.index(delta) + 1)
    return [body[:at], body[at:]]


async def cancel(driver: Driver, standin: Standin) -> str:
    standin.answer(text=SAID, pieces=cut_after_the_first_text)
    standin.hold()
    seen = await driver.run("cancel")
    if "begun" in seen:
        await standin.held.wait()
        await driver.run("interrupt")
    else:
        assert seen["text"] and SAID.startswith(seen["text"]), seen
    await standin.wait_for_client_gone(1)
    return "yes"


async def models(driver: Driver, standin: Standin) -> str:
    seen = await driver.run("models")
    assert "gpt-6-sol" in seen["models"] and seen["one"] == "gpt-6-sol"
    return "yes"


async def contexts(driver: Driver, standin: Standin) -> str:
    seen = await driver.run("contexts")
    assert seen["gpt-6-sol"] > 100_000
    return "yes"


ALL: dict[str, Scenario] = {
    each.__name__: each
    for each in (text, stream, tools, structured, image, cancel, model, limit, broken, turns, models, contexts)
}
