import pytest

from codex_proxy.message import heads

SMALL = heads.Bounds(size=100, line=20, fields=3)


def read(*pieces: bytes, bounds: heads.Bounds = SMALL) -> tuple[list[list[bytes]], bytes]:
    """The heads that come out of what arrives piece by piece, and what is left."""
    reader, data, found = heads.HeadReader(bounds), bytearray(), []
    for piece in pieces:
        data += piece
        while (lines := reader.read(data)) is not None:
            found.append(lines)
    return found, bytes(data)


@pytest.mark.parametrize(
    ("came", "found", "left"),
    [
        (b"GET / HTTP/1.1\r\nA: b\r\n\r\nbody", [[b"GET / HTTP/1.1", b"A: b"]], b"body"),
        (b"GET / HTTP/1.1\nA: b\n\n", [[b"GET / HTTP/1.1", b"A: b"]], b""),
        (b"\r\n\r\n\nGET / HTTP/1.1\r\n\r\n", [[b"GET / HTTP/1.1"]], b""),
        (b"GET / HTTP/1.1\r\nA: b\r\n", [], b"GET / HTTP/1.1\r\nA: b\r\n"),
        (b"A\r\n\r\nB\r\n\r\nC", [[b"A"], [b"B"]], b"C"),
        (b"\r\n", [], b""),
    ],
)
def test_a_head_is_taken_off_wherever_it_is_cut(came: bytes, found: list[list[bytes]], left: bytes) -> None:
    assert read(came) == (found, left)
    for cut in range(1, len(came)):
        assert read(came[:cut], came[cut:]) == (found, left)
    assert read(*[came[i : i + 1] for i in range(len(came))]) == (found, left)


@pytest.mark.parametrize(
    ("came", "part"),
    [
        (b"G" * 20, "line"),
        (b"GET /" + b"a" * 20 + b" HTTP/1.1\r\n\r\n", "line"),
        (b"A\r\n" + b"B: c\r\n" * 4 + b"\r\n", "fields"),
        (b"A\r\n" + b"B: c\r\n" * 20, "fields"),
        (b"A\r\nB: " + b"c" * 100, "size"),
        (b"A\r\nB: " + b"c" * 91 + b"\r\n\r\n", "size"),
        (b"A\r\nB: c\r\n " + b"d" * 100, "size"),
    ],
)
def test_a_head_over_a_bound_is_refused_whole_or_not_and_wherever_it_is_cut(came: bytes, part: str) -> None:
    for cut in range(len(came)):
        with pytest.raises(heads.HeadTooLarge) as refused:
            read(came[:cut], came[cut:])
        assert refused.value.part == part
    with pytest.raises(heads.HeadTooLarge):
        read(*[came[i : i + 1] for i in range(len(came))])


def test_a_head_just_within_its_bounds_is_taken() -> None:
    fullest = b"GET /aaa HTTP/1.1\r\n" + b"B: c\r\n" * 2
    fullest += b"D: " + b"e" * (SMALL.size - len(fullest) - 7) + b"\r\n\r\n"
    assert len(fullest) == SMALL.size
    assert len(read(fullest + b"body")[0][0]) == SMALL.fields + 1


def test_bounds_begin_again_with_the_next_head() -> None:
    assert len(read(b"A\r\n" + b"B: c\r\n" * 3 + b"\r\n", b"A\r\n" + b"B: c\r\n" * 3 + b"\r\n")[0]) == 2


@pytest.mark.parametrize(
    ("lines", "together"),
    [
        ([b"GET", b"A: b", b" c", b"\td ", b"E: f"], [b"GET", b"A: b c d", b"E: f"]),
        ([b"GET", b"A: b", b"  "], [b"GET", b"A: b "]),
        ([b"GET", b" A: b"], [b"GET", b" A: b"]),
        ([b"GET"], [b"GET"]),
    ],
)
def test_a_line_that_goes_on_is_one(lines: list[bytes], together: list[bytes]) -> None:
    assert heads.unfolded(lines) == together


@pytest.mark.parametrize(
    ("lines", "clean"),
    [
        ([b"HTTP/1.1 200 OK", b"A : b"], [b"HTTP/1.1 200 OK", b"A: b"]),
        ([b"HTTP/1.0 200"], [b"HTTP/1.0 200"]),
        ([b"HTTP/1.1 200 a\rb", b"A: b\x00c\rd\te\x1b[1m"], [b"HTTP/1.1 200 a b", b"A: b c d\te [1m"]),
        ([b"HTTP/1.1 103 Early Hints"], [b"HTTP/1.1 103 Early Hints"]),
    ],
)
def test_the_lines_of_an_answer_have_no_controls(lines: list[bytes], clean: list[bytes]) -> None:
    assert heads.cleaned(lines) == clean


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/2 200", b"HTTP/2.0 200 OK", b"HTTP/1.1 0 X", b"HTTP/1.1 999 X", b"HTTP/1.1 600 X", b"HTTP/1.1 2_00 X",
        b"HTTP/1.1 +200 X", b"HTTP/1.1 20 X", b"HTTP/1.1", b"200 OK", b"\x00\x01", b"", b"ICY 200 OK", b"HTTP/1.1\x00200 OK"[:8],
    ],
)  # fmt: skip
def test_what_is_no_status_line_of_http_1_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="first line"):
        heads.cleaned([line, b"A: b"])
