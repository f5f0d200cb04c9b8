import msgspec
import pytest

from codex_proxy.errors import ProxyError
from codex_proxy.layers import own_answer


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (ProxyError("unknown_path", "No."), 404, {}),
        (ProxyError("wrong_method", "No.", headers={"Allow": "GET"}), 405, {"Allow": "GET"}),
        (ProxyError("stopping", "No.", headers={"connection": "close"}), 503, {"connection": "close"}),
        (ProxyError("whatever", "No.", status=418, of_backend=True), 418, {}),
        (ProxyError(None, "No.", status=402, of_backend=True), 402, {}),
        (ProxyError("unknown_path", "half a \ud800 character"), 404, {}),
    ],
)
def test_an_error_is_an_answer_in_openais_form(error: ProxyError, status: int, headers: dict[str, str]) -> None:
    response = own_answer.response(error)
    assert response.status_code == status and response.headers["content-type"] == "application/json"
    assert dict(headers).items() <= dict(response.headers).items()
    told = msgspec.json.decode(response.raw_content or b"")["error"]
    assert (told["code"], told["param"]) == (error.code, None) and told["message"]
    assert response.headers["content-length"] == str(len(response.raw_content or b""))
