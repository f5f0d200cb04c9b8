import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_proxy.chat.stop import StopText

CASES = [
    (["###"], ["one ##", "# two"], "one ", True),
    (["###"], ["one ##", " two"], "one ## two", False),
    (["###"], ["one ##"], "one ##", False),
    ([], ["one"], "one", False),
    ([""], ["one"], "one", False),
    (["b", "abc"], ["ab", "c"], "a", True),
    (["b", "abc"], ["abc"], "a", True),
    (["\n\n"], ["a\n", "b\n", "\nc"], "a\nb", True),
    (["aab"], ["aa", "ab"], "a", True),
]


@pytest.mark.parametrize(("stops", "pieces", "given", "hit"), CASES)
def test_what_comes_before_the_stop(stops: list[str], pieces: list[str], given: str, hit: bool) -> None:
    stop = StopText(stops)
    assert ("".join(map(stop.feed, pieces)) + stop.flush(), stop.hit) == (given, hit)
    assert not hit or stop.feed("more") == stop.flush() == ""


def test_only_what_may_be_its_beginning_is_held_back() -> None:
    stop = StopText(["###"])
    assert [stop.feed(piece) for piece in ("one", " #", "two", " ##", "x")] == ["one", " ", "#two", " ", "##x"]


WORDS = st.text("ab#", max_size=12)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.text("ab#", min_size=1, max_size=3), max_size=3), st.lists(WORDS, max_size=6))
def test_however_the_pieces_are_cut(stops: list[str], pieces: list[str]) -> None:
    cut, whole = StopText(stops), StopText(stops)
    assert "".join(map(cut.feed, pieces)) + cut.flush() == whole.feed("".join(pieces)) + whole.flush()
    assert cut.hit == whole.hit == any(stop in "".join(pieces) for stop in stops)
