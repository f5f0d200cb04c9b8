import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.lone_surrogates import replaced

from .properties import examples

# As it stands in JSON → what happens to it; None: nothing.
TEXTS = [
    (r"ok \ud83d", r"ok \ufffd"),
    (r"ok \uD83D and more", r"ok \ufffd and more"),
    (r"\ude00 ok", r"\ufffd ok"),
    (r"\ude00\ud83d", r"\ufffd\ufffd"),
    (r"\ud83d\ud83d\ude00", r"\ufffd\ud83d\ude00"),
    (r"\ud83d\ude00\ude00", r"\ud83d\ude00\ufffd"),
    (r"\ud83d\n", r"\ufffd\n"),
    (r"\ud83d\\ude00", r"\ufffd\\ude00"),
    (r"\\\ud83d", r"\\\ufffd"),
    (r"\\ud83d\ude00", r"\\ud83d\ufffd"),
    (r"\ud83d\ude00", None),
    (r"\\ud83d", None),
    (r"\\\\ude00", None),
    (r"\u00e4 \" \\", None),
    ("😀", None),
]


@pytest.mark.parametrize(("text", "becomes"), TEXTS)
def test_only_halves_are_replaced(text: str, becomes: str | None) -> None:
    assert replaced(f'{{"a":"{text}"}}'.encode()) == (becomes and f'{{"a":"{becomes}"}}'.encode())


@given(st.text(st.sampled_from('\ud83d\ude00\\u"n😀'), max_size=12))
@examples(300)
def test_what_is_left_is_unicode_and_else_the_same(text: str) -> None:
    data = json.dumps(text).encode()
    # Two halves side by side are a character.
    plain = json.loads(data).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert json.loads(replaced(data) or data) == plain


@pytest.mark.parametrize("piece", [b"\\", b"\\ud83d", b"\\\\ud83d", b"\\ud83d\\", b"\\ud83d\\u"])
def test_a_large_body_takes_no_longer_a_byte_than_a_small_one(piece: bytes) -> None:
    begun = time.process_time()
    replaced(piece * (1 << 20))
    assert time.process_time() - begun < 5
