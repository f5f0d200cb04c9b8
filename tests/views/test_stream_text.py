import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from codex_proxy.answer import sse
from codex_proxy.views.known import Known
from codex_proxy.views.layout import LARGEST
from codex_proxy.views.stream_text import stream_text
from standin.answers.events import events, frame

from ..examples import CALL, CUSTOM, REASONING, USAGE
from ..properties import examples

TEXT = "Oslo is wet: 12 °C.\n\n  Take an umbrella 🌦️."
PART = {"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "content": [PART]}
REFUSAL = {"id": "msg_2", "type": "message", "content": [{"type": "refusal", "refusal": "No, not that."}]}


def stream(*items: dict[str, Any], deltas: int | None = None) -> list[bytes]:
    return [frame(event) for event in events({"id": "resp_1", "model": "gpt-6-sol"}, items, USAGE, deltas)]


def event(kind: str, **more: Any) -> bytes:
    return sse.build(kind, json.dumps({"type": kind, **more}).encode())


def section(text: str, name: str) -> str:
    """A section as it stands, with its name, up to the next one."""
    return next(one for one in re.split(r"\n\n(?=[\w ]+:)", text) if one.startswith(name))


def answer(text: str) -> str:
    """What is said of the answer: neither the head line nor the timeline."""
    return text.partition("\n\n")[2].partition("timeline:")[0].strip()


WHOLE = """\
reasoning: |  # encrypted, 906 B
  **Thinking** it over

text: |
  Oslo is wet: 12 °C.

    Take an umbrella 🌦️.

call get_weather:  # call_1
  {"city": "Oslo"}

tokens: 1,234 in (1,024 cached), 56 out (12 reasoning), 1,290 in all"""


def test_an_answer_is_shown_as_a_person_reads_it() -> None:
    text = stream_text(b"".join(stream(REASONING, MESSAGE, CALL)))
    assert text.startswith("# gpt-6-sol · completed · 31 events · 7.2 kB\n")
    assert answer(text) == WHOLE


BREAKS = [
    ("response.output_text.delta", "text: |\n  Oslo"),
    ("response.function_call_arguments.delta", 'call get_weather: |  # call_1\n  {"city'),
]


@pytest.mark.parametrize(("kind", "shown"), BREAKS, ids=[row[0] for row in BREAKS])
def test_of_a_stream_that_broke_off_is_shown_what_came(kind: str, shown: str) -> None:
    frames = stream(REASONING, MESSAGE, CALL)
    last = next(place for place, one in enumerate(frames) if kind.encode() in one)
    text = stream_text(b"".join(frames[: last + 1]))
    assert text.startswith("# gpt-6-sol · broken off · ") and shown in text
    assert section(text, "broken") == f"broken: |\n  ended without a last event, after {kind}"


def test_half_an_event_at_the_end_is_said_to_be_one() -> None:
    frames = stream(MESSAGE)
    text = stream_text(b"".join(frames[:5]) + frames[5][:60])
    assert "broke off inside an event, 60 B into it: event: response.output_text.delta" in " ".join(text.split())
    assert text.rstrip().endswith("(cut off)")


def test_a_last_event_that_lacks_its_empty_line_is_a_whole_one() -> None:
    text = stream_text(b"".join(stream(MESSAGE)).rstrip())
    assert "· completed ·" in text and "broken" not in text


def test_a_failure_inside_the_stream_is_told_first() -> None:
    text = stream_text(b"".join(stream(MESSAGE)[:-1]) + event("error", code="server_error", message="Sorry"))
    assert text.startswith("# gpt-6-sol · failed · ")
    assert answer(text).startswith("error: |\n  server_error\n  Sorry\n\ntext: |\n  Oslo")


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {"object": "chat.completion.chunk", "model": "gpt-6-sol", "choices": choices, **more}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


CHAT = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "Well"}),
    chunk({"content": "Oslo "}),
    chunk({"content": "is wet."}),
    chunk({"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": ""}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}),
    chunk({}, "tool_calls"),
    chunk(
        usage={
            "prompt_tokens": 9,
            "completion_tokens": 5,
            "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 4},
        }
    ),
    b"data: [DONE]\n\n",
]


def test_a_stream_of_chat_completions_is_shown_the_same_way() -> None:
    text = stream_text(b"".join(CHAT))
    assert text.startswith("# gpt-6-sol · tool_calls · 10 events")
    assert answer(text) == (
        'reasoning: |\n  Well\n\ntext: |\n  Oslo is wet.\n\ncall f:  # call_1\n  {"a": 1}\n\n'
        "tokens: 9 in (4 cached), 5 out, 14 in all"
    )
    assert "3-4  294 B  content: chat.completion.chunk x 2\n" in text and text.endswith("10    12 B  [DONE]\n")


def test_a_cut_stream_of_chat_completions_says_so() -> None:
    text = stream_text(b"".join(CHAT[:4]))
    assert "· broken off ·" in text and "ended without a last event, after content: chat.completion.chunk" in text


@pytest.mark.parametrize("end", ["\r\n", "\r"], ids=["CRLF", "CR"])
def test_line_ends_make_no_difference(end: str) -> None:
    body = b"".join(stream(REASONING, MESSAGE, CALL))
    assert answer(stream_text(body.replace(b"\n", end.encode()))) == answer(stream_text(body))


def test_events_without_an_event_line_are_known_by_their_data() -> None:
    frames = [one.partition(b"\n")[2] for one in stream(REASONING, MESSAGE, CALL)]
    assert answer(stream_text(b"".join(frames))) == WHOLE
    assert "response.output_text.delta x 9\n" in stream_text(b"".join(frames))


def test_one_unreadable_event_among_many_is_shown_and_spoils_no_other() -> None:
    frames = stream(REASONING, MESSAGE, CALL)
    place = next(n for n, one in enumerate(frames) if b"output_text.delta" in one) + 1
    frames.insert(place, sse.build("response.output_text.delta", b'{"type":"resp'))
    text = stream_text(b"".join(frames))
    assert answer(text).endswith(WHOLE)
    assert 'broken: |\n  not readable: event: response.output_text.delta data: {"type":"resp\n' in text
    assert "(not readable)" in text


@pytest.mark.parametrize("body", [b"<html>Sorry</html>", b"\xff\xfe\x00", b"null", b"42\n\n43\n\n"])
def test_what_is_no_stream_at_all_is_shown_as_it_is(body: bytes) -> None:
    assert stream_text(body).startswith("# no stream of events\n\nbody: ")


def test_an_empty_body_is_an_answer_that_never_began() -> None:
    assert "ended without a last event" in stream_text(b"")


def test_the_model_is_known_from_the_request_where_no_event_told_it() -> None:
    assert stream_text(b": wait\n\n", Known(sent_model="gpt-6-luna")).startswith("# gpt-6-luna · broken off · 1 event")


def test_the_end_that_the_proxy_saw_is_told() -> None:
    text = stream_text(stream(MESSAGE)[0], Known(ended="the client hung up"))
    assert "the proxy noted: the client hung up" in text


def test_marks_become_times() -> None:
    frames = stream(MESSAGE, deltas=2)
    marks = [(len(b"".join(frames[:place])), 500 + place * 10) for place in range(len(frames))]
    text = stream_text(b"".join(frames), Known(marks=marks))
    assert " · 0.59 s · " in text
    rows = [line.split() for line in text.splitlines()]
    assert "5-6 540 10 405 B response.output_text.delta x 2 in 10 ms, longest gap 10 ms".split() in rows


@pytest.mark.parametrize("marks", [[], [(10**9, 5)], [(-5, -5)], [(100, 9), (0, 5)]])
def test_marks_that_tell_nothing_are_no_harm(marks: list[tuple[int, int]]) -> None:
    """Those of a loaded flow may be any numbers."""
    assert "· completed ·" in stream_text(b"".join(stream(MESSAGE)), Known(marks=marks))


def long_stream() -> list[bytes]:
    words = {**PART, "text": " ".join(f"w{n}" for n in range(4000))}
    return stream(REASONING, {**MESSAGE, "content": [words]})


def test_of_a_running_stream_the_beginning_and_the_end_are_shown() -> None:
    frames = long_stream()
    text = stream_text(b"".join(frames[:3000]), running=True)
    assert text.startswith("# gpt-6-sol · running · 3,000 events · ")
    assert "broken" not in text
    shown = section(text, "text:")
    assert shown.startswith("text: |\n  w0 w1 w2") and "\n  … left out …\n" in shown and "… left out …\n   w" in shown
    assert "w1500" not in shown
    assert "events, " in section(text, "timeline") and "-3,000  " in section(text, "timeline")


def test_a_short_running_stream_is_shown_in_whole() -> None:
    text = stream_text(b"".join(stream(REASONING, MESSAGE, CALL)[:-1]), running=True)
    assert answer(text) == WHOLE.partition("\n\ntokens")[0]


def test_an_event_that_is_still_coming_is_called_so() -> None:
    frames = stream(MESSAGE)
    text = stream_text(b"".join(frames[:6])[:-10], running=True)
    assert text.rstrip().endswith("(still coming)") and "broken" not in text


def test_of_a_running_event_larger_than_any_window_the_size_is_told() -> None:
    body = stream(MESSAGE)[0] + b'event: response.output_item.done\ndata: {"type":"response.output_item.done","item":"'
    text = stream_text(body + b"A" * 4_000_000, running=True)
    assert text.startswith("# gpt-6-sol · running · 1+ events · 4.0 MB") and "… 4.0 MB …" in text


def test_of_a_long_text_beginning_and_end_are_shown() -> None:
    words = "word " * 500_000
    text = stream_text(b"".join(stream({**MESSAGE, "content": [{**PART, "text": words}]}, deltas=50)))
    assert len(text) < 40_000
    assert "characters left out …" in text and "tokens:" in text and "timeline:" in text


SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"


JWT = "eyJhbGciOiJSUzI1NiJ9." + "cGF5bG9hZA" * 60 + ".c2lnbmF0dXJl"


@pytest.mark.parametrize("secret", [SECRET, JWT])
@pytest.mark.parametrize("cut_at", range(0, 800, 37))
def test_a_token_is_hidden_wherever_a_long_text_is_cut(secret: str, cut_at: int) -> None:
    for place in (24_000 - cut_at, 92_000 - cut_at):
        text = ("w " * 50_000)[:place] + " " + secret + " " + "v " * ((100_000 - place) // 2)
        shown = stream_text(b"".join(stream({**MESSAGE, "content": [{**PART, "text": text}]}, deltas=1)))
        assert not [n for n in range(0, len(secret) - 12, 6) if n > 20 and secret[n : n + 12] in shown]


def test_a_token_is_hidden_in_arguments_errors_and_unreadable_frames() -> None:
    call = {**CALL, "arguments": json.dumps({"header": f"line\n{SECRET}", SECRET: 1})}
    frames = [
        *stream(call, deltas=1)[:-1],
        event("error", code="x", message=f"bad key {SECRET}"),
        f"data: {SECRET}\n\n".encode(),
    ]
    assert "abcdefghijkl" not in stream_text(b"".join(frames))


@pytest.mark.parametrize("items", [(REASONING, MESSAGE, CALL), (REFUSAL, CUSTOM), ()])
def test_what_is_shown_is_yaml(items: tuple[dict[str, Any], ...]) -> None:
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True
    for text in (stream_text(b"".join(stream(*items))), stream_text(b"".join(stream(*items)[:-2]))):
        assert "timeline" in yaml.load(text)


GARBAGE = [
    b"",
    b"\n",
    b"\r\n",
    b"\xff",
    b"data: ",
    b"event: error\n",
    b'{"type":',
    b"null",
    b"\\ud800",
    b"9" * 30,
    b"[DONE]",
    b"[" * 2000,
]


@examples(300)
@given(data=st.data(), running=st.booleans(), chat=st.booleans())
def test_no_cut_and_no_garbage_raises_or_is_shown_without_bound(data: st.DataObject, running: bool, chat: bool) -> None:
    body = b"".join(CHAT if chat else stream(REASONING, MESSAGE, CALL))
    for place, length, put in data.draw(
        st.lists(st.tuples(st.integers(0, len(body)), st.integers(0, 300), st.sampled_from(GARBAGE)), max_size=8)
    ):
        body = body[:place] + put + body[place + length :]
    body = body[: data.draw(st.integers(0, len(body)))]
    assert 0 < len(stream_text(body, Known(marks=[(0, 5), (100, 9)]), running)) <= LARGEST
