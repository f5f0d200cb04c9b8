import pytest

from codex_proxy.backend.compact_endpoint import is_gone, unavailable

GONE = b'{"detail":"Not Found"}'


@pytest.mark.parametrize(
    ("status", "body", "gone"),
    [
        (404, GONE, True),
        (404, b"", True),
        (404, b"<html>nginx</html>", True),
        (404, b'{"error":{"message":"Invalid URL (POST /v1/responses/compact)","code":null}}', True),
        (404, b'{"error":{"message":"Model not found gpt-9","code":"model_not_found"}}', False),
        (404, b'{"error":{"message":"Item with id \'rs_1\' not found. Items are not persisted"}}', False),
        (404, b'{"error":{"message":"The usage limit has been reached","type":"usage_limit_reached"}}', False),
        (403, GONE, False),
        (400, b'{"detail":"Unsupported parameter: x"}', False),
        (200, b'{"output":[]}', False),
    ],
)
def test_only_a_missing_path_means_that_it_is_gone(status: int, body: bytes, gone: bool) -> None:
    assert is_gone(status, body) is gone


def test_where_nothing_compacts_it_is_told_what_to_do_instead() -> None:
    error = unavailable("Not Found")
    assert (error.status, error.code, error.headers) == (404, "compact_unavailable", {"x-should-retry": "false"})
    assert "Not Found. Let the client shorten" in error.message
