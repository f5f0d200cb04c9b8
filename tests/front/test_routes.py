import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.errors import ProxyError
from codex_proxy.front import routes
from codex_proxy.front.routes import ROUTES, backend_query, canonical, find, model

from ..properties import examples

PREFIXES = ["", "/v1", "/backend-api/codex"]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("end", ["", "/", "?a=b", "/?a=b"])
@pytest.mark.parametrize(
    "method, path, name, backend",
    [
        ("GET", "/", "about", None),
        ("GET", "/healthz", "health", None),
        ("POST", "/responses", "responses", "/responses"),
        ("POST", "/chat/completions", "chat", "/responses"),
        ("GET", "/models", "models", None),
        ("GET", "/models/gpt-6-sol", "model", None),
        ("GET", "/models/openai/gpt-6-sol", "model", None),
    ],
)
def test_a_path_is_known_with_every_prefix(
    prefix: str, end: str, method: str, path: str, name: str, backend: str | None
) -> None:
    route = find(method, prefix + path + end)
    assert (route.name, route.backend) == (name, backend)


@pytest.mark.parametrize("path", ["//responses", "/v1//responses", "//v1/responses//", "/v1/responses//?x=//"])
def test_doubled_slashes_count_as_one(path: str) -> None:
    assert find("POST", path).name == "responses"


@pytest.mark.parametrize("path", ["", "/v1", "/v1/", "/backend-api/codex", "?x"])
def test_a_base_url_alone_tells_what_this_is(path: str) -> None:
    assert find("GET", path).name == "about"


@pytest.mark.parametrize(
    "method, path",
    [
        ("POST", "/v1/v1/responses"),
        ("POST", "/v1/backend-api/codex/responses"),
        ("POST", "/v12/responses"),
        ("POST", "/V1/responses"),
        ("POST", "/responsesX"),
        ("GET", "/backend-api/wham/usage"),
        ("GET", "/models/a/b/c"),
        ("POST", "/completions"),
        ("GET", "/../responses"),
        ("POST", "/%72esponses"),
    ],
)
def test_anything_else_is_a_404_that_names_the_paths_there_are(method: str, path: str) -> None:
    with pytest.raises(ProxyError) as e:
        find(method, path)
    assert (e.value.status, e.value.code) == (404, "unknown_path")
    assert "POST /responses, GET /models" in e.value.message and "/v1" in e.value.message
    assert f"{method} {path}" in e.value.message
    assert "POST /chat/completions" in e.value.message


@pytest.mark.parametrize("path", ["/responses/resp_1", "/v1/responses/resp_1/input_items"])
def test_an_answer_that_would_be_stored_is_not_here(path: str) -> None:
    with pytest.raises(ProxyError) as e:
        find("GET", path)
    assert (e.value.status, e.value.code) == (404, "unknown_path")
    assert "nothing is stored" in e.value.message


def test_a_query_with_a_key_in_it_is_not_repeated() -> None:
    with pytest.raises(ProxyError) as e:
        find("GET", "/nope?api_key=my-own-secret")
    assert "my-own-secret" not in e.value.message


@pytest.mark.parametrize(
    "method, path, allowed",
    [
        ("GET", "/v1/responses?stream=true", "POST"),
        ("DELETE", "/responses", "POST"),
        ("POST", "/models", "GET"),
        ("HEAD", "/healthz", "GET"),
        ("GET", "/chat/completions", "POST"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(method: str, path: str, allowed: str) -> None:
    with pytest.raises(ProxyError) as e:
        find(method, path)
    assert (e.value.status, e.value.code, e.value.headers) == (405, "wrong_method", {"Allow": allowed})


@pytest.mark.parametrize(
    "method, path, query",
    [
        ("GET", "/models", ""),
        ("GET", "/models?client_version=0.1.0", "?client_version=0.1.0"),
        ("GET", "/models?client_version=", ""),
        ("GET", "/models?api_key=my-own-secret&client_version=a%26b", "?client_version=a%26b"),
        ("POST", "/responses?api_key=my-own-secret", ""),
    ],
)
def test_of_a_query_only_the_catalogues_version_goes_up(method: str, path: str, query: str) -> None:
    assert backend_query(find(method, path), path) == query


@pytest.mark.parametrize(
    "path, route, backend",
    [
        ("/v1/models?client_version=0.169.0", "catalogue", "/models"),
        ("/models/?a=b&client_version=1", "catalogue", "/models"),
        ("/models?client_version=", "models", None),
        ("/models/x?client_version=1", "model", None),
        ("/healthz?client_version=1", "health", None),
    ],
)
def test_who_names_a_client_version_gets_the_backends_own_list(path: str, route: str, backend: str | None) -> None:
    found = find("GET", path)
    assert (found.name, found.backend) == (route, backend)


@pytest.mark.parametrize(
    "path, name",
    [
        ("/v1/models/gpt-6-sol", "gpt-6-sol"),
        ("/models/openai/gpt-6-sol/?a=b", "openai/gpt-6-sol"),
        ("/backend-api/codex/models//openai%2Fgpt-6-sol", "openai/gpt-6-sol"),
        ("/models/gpt-6-sol%28high%29", "gpt-6-sol(high)"),
    ],
)
def test_the_name_of_a_model_is_read_off_its_path(path: str, name: str) -> None:
    assert find("GET", path).name == "model"
    assert model(path) == name


@given(st.text("/v1responmdl?{}.%", max_size=24))
@examples(200)
def test_a_path_put_into_its_form_stays_there(path: str) -> None:
    # A second prefix would come off only now, and is none of ours.
    once = canonical(path)
    assert once.startswith(("/v1/", "/backend-api/codex/")) or once == "/v1" or canonical(once) == once


def test_every_path_of_the_table_leads_to_its_own_route() -> None:
    assert [canonical(path.replace("{id}", "x")) for path in ROUTES] == list(ROUTES)


@pytest.mark.parametrize(
    "path, shown",
    [
        ("/v1/responses?a=b%20c&d=[e]", "/v1/responses?a=b%20c&d=[e]"),
        ("/v1/\udcff", "/v1/%FF"),
        ("/v1/é\x1b[31m\x00 ", "/v1/%C3%A9%1B[31m%00%20"),
    ],
)
def test_a_path_has_visible_ascii_only(path: str, shown: str) -> None:
    assert routes.escaped(path) == shown
