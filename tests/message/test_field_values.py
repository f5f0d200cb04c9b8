import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.message.field_values import cleaned, is_plain, malformed

from ..properties import examples

BYTES = st.binary(max_size=12)


@pytest.mark.parametrize(
    "value",
    [b"a\rX-Injected: b", b"a\nb", b"a\r\n b", b"a\0b", b"a\x1b[31m", b"\x7f", b"a\x0bb", b"a\x01"],
)
def test_a_control_character_makes_no_header(value: bytes) -> None:
    assert malformed([(b"good", b"x"), (b"Session_ID", value)]) == "Session_ID"


@pytest.mark.parametrize("value", [b"", b"a", b"a b\tc", b"\xc3\xa9", b"\xff\x85", b" a "])
def test_spaces_tabs_and_opaque_bytes_are_allowed(value: bytes) -> None:
    assert malformed([(b"session_id", value)]) is None


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r", b"\xe9", b"a\x1b"])
def test_a_name_is_a_token(name: bytes) -> None:
    assert malformed([(name, b"x")]) is not None
    assert cleaned([(name, b"x")]) == []


def test_the_name_that_is_told_is_printable_and_short() -> None:
    told = malformed([(b"\x1b[31m\xff" + b"a" * 500, b"x")])
    assert told is not None and told.isprintable() and len(told) < 100


@given(st.lists(st.tuples(BYTES, BYTES), max_size=4))
@examples(300)
def test_what_is_well_formed_parses_as_one_line_each(fields: list[tuple[bytes, bytes]]) -> None:
    for wire in ([each for each in fields if malformed([each]) is None], cleaned(fields)):
        head = b"".join(name + b": " + value + b"\r\n" for name, value in wire)
        lines = head.split(b"\r\n")[:-1]
        assert len(lines) == len(wire) and not any(set(line) & set(b"\r\n\0") for line in lines)
        server = h11.Connection(h11.SERVER)
        others = b"".join(
            line + b"\r\n"
            for line in lines
            if line.partition(b":")[0].lower() not in (b"host", b"content-length", b"transfer-encoding")
        )
        server.receive_data(b"GET / HTTP/1.1\r\nhost: a\r\n" + others + b"\r\n")
        request = server.next_event()
        assert isinstance(request, h11.Request) and len(request.headers) == others.count(b"\r\n") + 1


@pytest.mark.parametrize("text", ["acc-1", "a b", "eyJ.x.y~+/="])
def test_ascii_with_single_spaces_goes_into_any_header(text: str) -> None:
    assert is_plain(text)


@pytest.mark.parametrize("text", ["", " a", "a ", "a\r\nb", "a\0", "acc\u20131", "é", "\ud800", "a\tb", "a  b", "\x7f"])
def test_nothing_else_does(text: str) -> None:
    assert not is_plain(text)
