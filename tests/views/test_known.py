from codex_proxy.changes import Change
from codex_proxy.views.conversation import request_text
from codex_proxy.views.known import NOTHING, Known
from codex_proxy.views.stream_text import stream_text


def test_of_nothing_nothing_is_known() -> None:
    assert NOTHING == Known() and not any(NOTHING)


def test_what_is_shown_by_itself_is_shown_as_with_nothing_known() -> None:
    assert request_text(b'{"model":"m"}') == request_text(b'{"model":"m"}', NOTHING)
    assert stream_text(b": wait\n\n") == stream_text(b": wait\n\n", NOTHING)


def test_lists_and_tuples_are_shown_alike() -> None:
    change = Change("store", "set to false", "why")
    one = Known(changes=[change], header_changes=[change], notes=["a"], marks=[(0, 5)])
    other = Known(changes=(change,), header_changes=(change,), notes=("a",), marks=((0, 5),))
    assert request_text(b"{}", one) == request_text(b"{}", other)
    assert stream_text(b": wait\n\n", one) == stream_text(b": wait\n\n", other)
