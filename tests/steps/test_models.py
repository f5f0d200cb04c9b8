"""What the answers that pass tell of the catalogue."""

import pytest
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import taddons
from mitmproxy.test.tflow import tflow
from mitmproxy.test.tutils import tresp

from codex_proxy.addons.options import Options
from codex_proxy.models.catalogue import Catalogue, Model
from codex_proxy.models.kept_catalogue import LIFE, KeptCatalogue
from codex_proxy.steps.login import Login
from codex_proxy.steps.models import Models

from .flows import claimed


@pytest.mark.parametrize("sent_at, is_old", [(1.0, False), (None, True)], ids=["of the backend's", "of our own"])
async def test_only_an_answer_of_the_backends_says_that_the_list_is_good(sent_at: float | None, is_old: bool) -> None:
    now = 0.0

    async def ask() -> Catalogue:
        return Catalogue({"a": Model("a")}, "one")

    with taddons.context(Options(), models := Models(Login())):
        models.kept = KeptCatalogue(ask, lambda: now)
        await models.kept.fresh(5)
        now = LIFE - 1
        flow = tflow(resp=tresp())
        assert flow.response
        flow.response.headers["x-models-etag"] = "one"
        flow.live, flow.client_conn.proxy_mode = True, ProxyMode.parse("reverse:https://chatgpt.com")
        exchange = claimed(flow)
        exchange.sent_at = sent_at
        models.responseheaders(flow, exchange)
        now = LIFE
        assert models.kept.is_old is is_old
