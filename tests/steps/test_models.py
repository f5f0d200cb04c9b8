"""What the answers that pass tell of the catalogue, and what is told of a model's name."""

import logging
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import taddons
from mitmproxy.test.tflow import tflow
from mitmproxy.test.tutils import tresp

from codex_proxy.addons.options import Options
from codex_proxy.errors import ProxyError
from codex_proxy.models.catalogue import Catalogue, Model
from codex_proxy.models.dated_list import AS_OF, CATALOGUE
from codex_proxy.models.kept_catalogue import LIFE, KeptCatalogue
from codex_proxy.models.name_map import parse
from codex_proxy.outcome import Original
from codex_proxy.request.body_rules import PatchOptions
from codex_proxy.steps.login import Login
from codex_proxy.steps.models import Models

from .flows import asked, claimed, configured


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


KNOWN = Catalogue({slug: Model(slug) for slug in ("gpt-6-sol", "gpt-6-luna")})


def knowing(known: Catalogue = KNOWN) -> Models:
    """Models whose list has come; there is no backend to ask."""

    async def ask() -> Catalogue:
        if not known:
            raise ProxyError("no_models", "None.")
        return known

    models = Models(Login())
    models.kept = KeptCatalogue(ask)
    return models


@pytest.mark.usefixtures("context")
async def test_a_name_that_no_subscription_has_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    models, full = knowing(), PatchOptions(models=parse([], aliases=True))
    for name in ("gpt-4.1", "gpt-4.1", "gpt-6-sol", "gpt-9", "gpt-5-mini", "gpt-4.1"):
        body = {"model": msgspec.Raw(msgspec.json.encode(name))}
        assert await models.for_body(body, full) is (KNOWN if name != "gpt-9" else models.catalogue)
        for options in (replace(full, full=False), replace(full, models=parse([]))):
            await models.for_body(body, options)
    told = [record.message for record in caplog.records]
    assert [line.split(",")[0] for line in told] == [
        "gpt-6-sol answers for gpt-4.1",
        "gpt-6-luna answers for gpt-5-mini",
    ]
    assert "--set codex_model_map=gpt-4.1=MODEL" in told[0] and "--set codex_model_aliases=false" in told[0]


OFFICIAL = [("originator", "codex_exec"), ("user-agent", "codex_exec/0.150.0"), ("version", "0.150.0")]
NEWER = "The 'gpt-6-sol' model requires a newer version of Codex."


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize(
    ("known", "headers", "listed_for", "model", "message", "says", "status"),
    [
        (KNOWN, [], "", "gpt-9", "No.", [], 404),
        # An official client is too old for a model that the account has.
        (KNOWN, OFFICIAL, "", "gpt-6-sol", "No.", ["version 0.150.0, and may be too old"], 400),
        (KNOWN, OFFICIAL, "", "gpt-9", NEWER, ["version 0.150.0, and may be too old"], 400),
        (Catalogue(), OFFICIAL, "", "gpt-9", "No.", ["version 0.150.0, and may be too old"], 400),
        (KNOWN, OFFICIAL, "", "gpt-9", "No.", [], 400),
        # Another's version does not go up.
        (KNOWN, [("version", "0.150.0")], "", "gpt-6-sol", "No.", [], 404),
        (KNOWN, [], "0.150.0", "gpt-9", "No.", ["newer than codex_client_version=0.150.0"], 404),
        (KNOWN, OFFICIAL, "0.151.0", "gpt-9", NEWER, ["version 0.150.0", "newer than codex_client_version=0.151.0"], 400),
    ],
)  # fmt: skip
async def test_a_refused_model_says_when_a_version_may_be_why(
    known: Catalogue, headers: Any, listed_for: str, model: str, message: str, says: list[str], status: int
) -> None:
    configured(**({"codex_client_version": listed_for} if listed_for else {}))
    models = knowing(known)
    _, exchange = asked(model=model, sent_model=model, original=Original(headers=headers))
    error = ProxyError("model_not_found", message, status=400)
    await models.explain(exchange, error)
    assert error.status == status and error.message.startswith(message)
    assert ("version" in error.message.removeprefix(message)) == bool(says)
    assert all(said in error.message for said in says)
    assert ("--set codex_model_map=gpt-9=gpt-6-sol" in error.message) == (bool(known) and model == "gpt-9")


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("dry", [True, False])
async def test_a_list_that_is_not_the_accounts_says_its_day(dry: bool) -> None:
    configured(codex_dry_run=dry)
    models = knowing()
    await models.kept.fresh(5)
    assert models.as_of() == (AS_OF if dry else None)
    names = [row.name for row in models.page()]
    assert names == ([model.slug for model in CATALOGUE.listed()] if dry else list(KNOWN.models))
    body = {"model": msgspec.Raw(b'"gpt-4.1"')}
    assert await models.for_body(body, PatchOptions()) is (CATALOGUE if dry else KNOWN)
