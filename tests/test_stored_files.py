import json
from typing import Any

import msgspec
import pytest

from codex_proxy.errors import ProxyError
from codex_proxy.raw_json import Object
from codex_proxy.stored_files import without


def part(**values: Any) -> Object:
    return msgspec.json.decode(json.dumps(values), type=Object)


@pytest.mark.parametrize("named", [None, "", 5])
def test_what_names_no_file_is_the_same(named: Any) -> None:
    named = part(type="input_image", file_id=named)
    assert without(named, "input") is named


@pytest.mark.parametrize("content", ["image_url", "file_data", "file_url"])
def test_a_file_that_is_there_needs_no_name(content: str) -> None:
    named = part(file_id="file-EXAMPLE", **{content: "x"})
    assert without(named, "input").keys() == {content}


def test_a_file_that_is_nowhere_else_is_refused() -> None:
    with pytest.raises(ProxyError) as e:
        without(part(file_id="file-EXAMPLE", image_url=None), "input")
    assert (e.value.status, e.value.code, e.value.extra) == (400, "not_supported", {"param": "input"})
