import base64
import zlib

from codex_proxy.call_pairs import CALLS, OUTPUTS, PICTURE, USUAL, names


def test_every_output_answers_a_call_and_names_it() -> None:
    assert set(OUTPUTS) == {output for pair in CALLS.values() for output in pair.outputs}
    assert set(USUAL.values()) == {pair.outputs[0] for pair in CALLS.values()}
    assert all(pair.output_key in OUTPUTS[pair.outputs[0]] for pair in CALLS.values())


def test_by_which_keys_an_item_is_tied_to_another() -> None:
    assert names("function_call") == names("function_call_output") == ("call_id",)
    assert names("mcp_approval_request") == ("id",)
    assert names("local_shell_call_output") == ("call_id", "id")
    assert names("message") == ()


def test_the_picture_is_one() -> None:
    head, _, data = PICTURE.partition(",")
    png = base64.b64decode(data, validate=True)
    assert head == "data:image/png;base64" and png.startswith(b"\x89PNG\r\n\x1a\n")
    length = int.from_bytes(png[33:37])
    assert png[37:41] == b"IDAT" and zlib.decompress(png[41 : 41 + length])
