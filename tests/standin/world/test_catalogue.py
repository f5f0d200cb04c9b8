"""`GET /models` (docs/backend.md, 1.3)."""

import pytest

from ..kit import running

# Needed by the CLI's decoder.
NEEDED = {
    "slug": str,
    "display_name": str,
    "supported_reasoning_levels": list,
    "shell_type": str,
    "visibility": str,
    "supported_in_api": bool,
    "priority": int,
    "base_instructions": str,
    "support_verbosity": bool,
    "truncation_policy": dict,
    "supports_parallel_tool_calls": bool,
    "experimental_supported_tools": list,
}


async def test_the_version_has_to_be_named() -> None:
    async with running() as c:
        answer = await c.http.get(f"{c.s.upstream}/models", headers=c.headers)
        error = answer.json()["error"]
        assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
        assert error["message"].startswith("[{'type': 'missing', 'loc': ('query', 'client_version'), ")


async def test_an_entry_has_what_the_cli_needs() -> None:
    async with running() as c:
        models = (await c.models()).json()["models"]
        for entry in models:
            for key, kind in NEEDED.items():
                assert isinstance(entry[key], kind), (entry["slug"], key)
        assert {entry["visibility"] for entry in models} == {"list", "hide"}
        assert all(
            {"effort", "description"} <= set(level) for entry in models for level in entry["supported_reasoning_levels"]
        )


VERSIONS = [("0.169.0", 12), ("999.0.0", 14), ("0.150.1", 7), ("0.124.0", 2), ("0.1.0", 0), ("rubbish", 0), ("", 0)]


@pytest.mark.parametrize(("version", "count"), VERSIONS)
async def test_an_old_version_gets_fewer_models(version: str, count: int) -> None:
    async with running() as c:
        answer = await c.models(version)
        assert (answer.status_code, len(answer.json()["models"])) == (200, count)


async def test_lists_that_differ_have_different_etags() -> None:
    async with running() as c:
        new, old, none = [(await c.models(version)).headers["etag"] for version in ("0.169.0", "0.150.1", "0.1.0")]
        assert len({new, old, none}) == 3
        assert new.startswith('W/"')
        assert (await c.ask(model="gpt-5.5", headers={"version": "0.150.1"})).headers["x-models-etag"] == old


async def test_a_known_etag_changes_nothing() -> None:
    async with running() as c:
        first = await c.models()
        url = f"{c.s.upstream}/models?client_version=0.169.0"
        again = await c.http.get(url, headers=c.headers | {"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (200, first.content)


async def test_without_the_account_the_list_is_empty() -> None:
    async with running() as c:
        headers = {"authorization": c.headers["authorization"]}
        answer = await c.http.get(f"{c.s.upstream}/models?client_version=0.169.0", headers=headers)
        assert answer.json() == {"models": []}


async def test_without_a_bearer_there_is_no_list() -> None:
    async with running() as c:
        assert (await c.http.get(f"{c.s.upstream}/models?client_version=0.169.0")).status_code == 401


async def test_the_free_plan_has_fewer() -> None:
    async with running() as c:
        c.login = c.s.login(plan="free")
        slugs = [entry["slug"] for entry in (await c.models()).json()["models"]]
        assert "gpt-6-sol" in slugs
        assert "codex-auto-review" not in slugs
