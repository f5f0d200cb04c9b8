"""Models are listed from the stand-in's catalogue, over a real socket."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from codex_proxy.errors import ProxyError
from codex_proxy.front import routes
from codex_proxy.steps.list_models import ListModels
from codex_proxy.steps.login import Login
from codex_proxy.steps.models import Models
from codex_proxy.steps.patching import Patching
from standin import Standin

from .flows import asked, configure, configured, finished

pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with Standin() as server:
        yield server


@pytest.fixture
def step(standin: Standin, tmp_path: Path) -> ListModels:
    (tmp_path / "auth.json").write_bytes(msgspec.json.encode(standin.login()))
    configure(login := Login(), codex_auth_file=str(tmp_path / "auth.json"), codex_upstream=standin.upstream)
    configure(patching := Patching(), codex_model_map=["mine=gpt-6-sol"])
    configure(models := Models(login), codex_client_version="0.169.0")
    return ListModels(models, patching)


async def listed(step: ListModels, path: str) -> Any:
    flow, exchange = asked("GET", path, route=routes.find("GET", path))
    assert await finished(step.request(flow, exchange))
    assert flow.response and flow.response.status_code == 200
    assert flow.response.headers["etag"] == flow.response.headers["x-models-etag"] != ""
    return msgspec.json.decode(flow.response.raw_content or b"")


@pytest.mark.parametrize("variants", [False, True])
async def test_the_models_of_the_account_are_listed(step: ListModels, standin: Standin, variants: bool) -> None:
    configured(codex_model_variants=variants)
    answer = await listed(step, "/v1/models")
    names = [model["id"] for model in answer["data"]]
    assert answer["object"] == "list" and "gpt-6-sol" in names
    assert ("gpt-6-sol-high" in names) is variants
    # What is known is not asked for again.
    await listed(step, "/v1/models")
    assert len(standin.requests) == 1


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/models/gpt-6-sol", "gpt-6-sol"),
        ("/models/gpt-6-sol/", "gpt-6-sol"),
        ("/v1/models/gpt-6-sol?x=y", "gpt-6-sol"),
        ("/v1/models/mine", "mine"),
        ("/v1/models/gpt-9", None),
        ("/v1/models/a/b", None),
    ],
)
async def test_one_of_them_is_found_by_its_name(step: ListModels, path: str, name: str | None) -> None:
    if name is None:
        with pytest.raises(ProxyError) as refused:
            await listed(step, path)
        assert (refused.value.status, refused.value.code) == (404, "model_not_found")
        return
    assert (await listed(step, path))["id"] == name


@pytest.mark.parametrize("failure", ["models-500", "models-empty"])
async def test_without_a_catalogue_there_is_an_error(step: ListModels, standin: Standin, failure: str) -> None:
    standin.fail(failure, times=None)
    flow, exchange = asked("GET", "/v1/models", route=routes.ROUTES["/models"])
    with pytest.raises(ProxyError) as refused:
        await finished(step.request(flow, exchange))
    assert refused.value.status >= 500 and flow.response is None


@pytest.mark.parametrize("route", ["responses", "about", "compact"])
async def test_any_other_path_is_left_alone(step: ListModels, standin: Standin, route: str) -> None:
    (found,) = [one for one in routes.ROUTES.values() if one.name == route]
    flow, exchange = asked(route=found)
    assert not await finished(step.request(flow, exchange))
    assert flow.response is None and standin.requests == []
