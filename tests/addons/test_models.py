"""What the answers that pass tell of the catalogue."""

import pytest
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import taddons
from mitmproxy.test.tflow import tflow
from mitmproxy.test.tutils import tresp

from codex_proxy.addons import flows
from codex_proxy.addons.models import Models
from codex_proxy.addons.settings import Settings
from codex_proxy.models.catalogue import Catalogue, Model
from codex_proxy.models.kept_catalogue import LIFE, KeptCatalogue


@pytest.mark.parametrize(
    "state, is_old", [({"sent_at": 1.0}, False), ({}, True)], ids=["of the backend's", "of our own"]
)
async def test_only_an_answer_of_the_backends_says_that_the_list_is_good(state: flows.State, is_old: bool) -> None:
    now = 0.0

    async def ask() -> Catalogue:
        return Catalogue({"a": Model("a")}, "one")

    with taddons.context(Settings(), models := Models()):
        models.kept = KeptCatalogue(ask, lambda: now)
        await models.kept.fresh(5)
        now = LIFE - 1
        flow = tflow(resp=tresp())
        assert flow.response
        flow.response.headers["x-models-etag"] = "one"
        flow.live, flow.client_conn.proxy_mode = True, ProxyMode.parse("reverse:https://chatgpt.com")
        flows.claim(flow).update(state)
        models.responseheaders(flow)
        now = LIFE
        assert models.kept.is_old is is_old
