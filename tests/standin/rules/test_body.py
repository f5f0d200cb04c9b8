"""The rules for a body, each refused with its words (docs/backend.md, 3)."""

from typing import Any

import pytest

from ..kit import function, good, running, user

SYSTEM = {"role": "system", "content": "Be brief."}
NO_MODEL = "The '{}' model is not supported when using Codex with a ChatGPT account."
REJECTED = [
    "max_output_tokens", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_logprobs",
    "frequency_penalty", "presence_penalty", "metadata", "user", "safety_identifier", "truncation",
    "previous_response_id", "conversation", "background", "prompt_cache_retention", "prompt_cache_options",
    "context_management", "max_tool_calls", "prompt", "moderation", "generate", "messages", "n", "stop",
    "response_format", "functions", "reasoning_effort", "verbosity", "type",
]  # fmt: skip

# The gateway's own checks: what is changed about a good body, and the one string that comes back.
DETAILS: list[tuple[dict[str, Any], str]] = [
    ({"instructions": ...}, "Instructions are required"),
    ({"instructions": None}, "Instructions are required"),
    ({"store": ...}, "Store must be set to false"),
    ({"store": True}, "Store must be set to false"),
    ({"store": None}, "Store must be set to false"),
    ({"store": 0}, "Store must be set to false"),
    ({"stream": ...}, "Stream must be set to true"),
    ({"stream": False}, "Stream must be set to true"),
    ({"stream": 1}, "Stream must be set to true"),
    ({"input": "Hello"}, "Input must be a list"),
    ({"input": ...}, "Input must be a list"),
    ({"input": {}}, "Input must be a list"),
    ({"input": [SYSTEM]}, "System messages are not allowed"),
    ({"input": [user(), {"type": "message", **SYSTEM}]}, "System messages are not allowed"),
    *(({name: 1}, f"Unsupported parameter: {name}") for name in REJECTED),
    ({"temperature": None}, "Unsupported parameter: temperature"),
    ({"stream_options": {"include_usage": True}}, "Unsupported parameter: stream_options"),
    ({"stream_options": {}}, "Unsupported parameter: stream_options"),
    ({"service_tier": "flex"}, "Unsupported service_tier: flex"),
    ({"service_tier": "auto"}, "Unsupported service_tier: auto"),
    ({"tools": [{"type": "web_search_preview"}]}, "Unsupported tool type: web_search_preview"),
    ({"tools": [{"type": "file_search"}]}, "Unsupported tool type: file_search"),
    ({"tools": [{"type": "code_interpreter"}]}, "Unsupported tool type: code_interpreter"),
    ({"tools": [{"type": "computer_use_preview"}]}, "Unsupported tool type: computer_use_preview"),
    ({"tools": [{"type": "apply_patch"}]}, "Unsupported tool type: apply_patch"),
    ({"tools": [{"type": "mcp"}]}, "Unsupported tool type: mcp"),
    ({"tool_choice": {"type": "web_search_preview"}}, "Unsupported tool type: web_search_preview"),
    ({"model": "gpt-4.1"}, NO_MODEL.format("gpt-4.1")),
    ({"model": "gpt-5-codex"}, NO_MODEL.format("gpt-5-codex")),
    ({"model": "gpt-6-sol-high"}, NO_MODEL.format("gpt-6-sol-high")),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "text"), DETAILS)
async def test_the_gateway_refuses_in_its_words(changes: dict[str, Any], text: str) -> None:
    async with running() as c:
        answer = await c.ask(**changes)
        assert (answer.status_code, answer.json()) == (400, {"detail": text})
        assert c.s.requests[0].refusal == text


CHAT_TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
FIVE = "'none', 'minimal', 'low', 'medium', 'high', and 'xhigh'"
STRICT = {"type": "json_schema", "name": "n"}

# The API behind it: an error object with a message, the parameter and a code.
ERRORS: list[tuple[dict[str, Any], str, str | None, str | None]] = [
    ({"model": ...}, "Missing required parameter: 'model'.", "model", "missing_required_parameter"),
    ({"instructions": ["a"]}, "Invalid type for 'instructions': expected a string, but got an array instead.", "instructions", "invalid_type"),
    ({"tools": [CHAT_TOOL]}, "Missing required parameter: 'tools[0].name'.", "tools[0].name", "missing_required_parameter"),
    ({"tools": [function() | {"defer_loading": True}]}, "Unknown parameter: 'tools[0].defer_loading'.", "tools[0].defer_loading", "unknown_parameter"),
    ({"tools": [function(), function("g") | {"cache_control": {}}]}, "Unknown parameter: 'tools[1].cache_control'.", "tools[1].cache_control", "unknown_parameter"),
    ({"tools": [{"type": "web_search", "cache_control": {}}]}, "Unknown parameter: 'tools[0].cache_control'.", "tools[0].cache_control", "unknown_parameter"),
    ({"tools": [{"type": "namespace", "name": "n", "tools": [CHAT_TOOL]}]}, "Missing required parameter: 'tools[0].tools[0].name'.", "tools[0].tools[0].name", "missing_required_parameter"),
    ({"tools": {}}, "Invalid type for 'tools': expected an array of objects, but got an object instead.", "tools", "invalid_type"),
    ({"tools": [function("a b")]}, "Invalid 'tools[0].name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", "tools[0].name", "invalid_value"),
    ({"tools": [function() | {"parameters": {"type": "string"}}]}, "Invalid schema for function 'get_weather': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"string\"'.", "tools[0].parameters", "invalid_function_parameters"),
    ({"tools": [function() | {"parameters": {"properties": 5, "required": ["a"]}}]}, "Invalid schema for function 'get_weather'.", "tools[0].parameters", "invalid_function_parameters"),
    ({"tool_choice": "always"}, "Invalid value: 'always'. Supported values are: 'none', 'auto', and 'required'.", "tool_choice", "invalid_value"),
    ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "Missing required parameter: 'tool_choice.name'.", "tool_choice.name", "missing_required_parameter"),
    ({"tool_choice": {"type": "function", "name": "f"}}, "Tool choice 'f' not found in 'tools' parameter.", "tool_choice", None),
    ({"tools": [{"type": "image_generation"}], "tool_choice": {"type": "image_generation"}}, "Tool choice 'image_generation' not found in 'tools' parameter.", "tool_choice", None),
    ({"tool_choice": {"type": "web_search"}}, "Tool choice 'web_search' not found in 'tools' parameter.", "tool_choice", None),
    ({"tools": [{"type": "web_search"}], "tool_choice": "required"}, "Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice", None),
    ({"tools": [function()], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}, "Missing required parameter: 'tool_choice.tools'.", "tool_choice.tools", "missing_required_parameter"),
    ({"tools": [function()], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "g"}]}}, "Tool choice 'g' not found in 'tools' parameter.", "tool_choice.tools", None),
    ({"tools": [{"type": "namespace", "name": "n", "tools": [function() | {"defer_loading": True}]}]}, "Unknown parameter: 'tools[0].tools[0].defer_loading'.", "tools[0].tools[0].defer_loading", "unknown_parameter"),
    ({"include": ["file_search_call.results"]}, "Invalid value: 'file_search_call.results'. Supported values are: 'reasoning.encrypted_content'.", "include[0]", "invalid_value"),
    ({"include": "all"}, "Invalid type for 'include': expected an array of strings, but got a string instead.", "include", "invalid_type"),
    ({"reasoning": "low"}, "Invalid type for 'reasoning': expected an object, but got a string instead.", "reasoning", "invalid_type"),
    ({"model": "gpt-5.5", "reasoning": {"effort": "ultra"}}, f"Invalid value: 'ultra'. Supported values are: {FIVE}.", "reasoning.effort", "invalid_value"),
    ({"reasoning": {"effort": "minimal"}}, "Unsupported value: 'minimal' is not supported with the 'gpt-6-sol' model.", "reasoning.effort", "unsupported_value"),
    ({"model": "gpt-5.5", "reasoning": {"effort": "max"}}, "Unsupported value: 'max' is not supported with the 'gpt-5.5' model.", "reasoning.effort", "unsupported_value"),
    ({"reasoning": {"summary": "long"}}, "Invalid value: 'long'. Supported values are: 'auto', 'concise', and 'detailed'.", "reasoning.summary", "invalid_value"),
    ({"text": {"verbosity": "max"}}, "Invalid value: 'max'. Supported values are: 'low', 'medium', and 'high'.", "text.verbosity", "invalid_value"),
    ({"text": {"format": {"type": "json_schema", "json_schema": {}}}}, "Missing required parameter: 'text.format.name'.", "text.format.name", "missing_required_parameter"),
    ({"text": {"format": STRICT}}, "Missing required parameter: 'text.format.schema'.", "text.format.schema", "missing_required_parameter"),
    ({"text": {"format": {"type": "xml"}}}, "Invalid value: 'xml'. Supported values are: 'text', 'json_object', and 'json_schema'.", "text.format.type", "invalid_value"),
    ({"client_metadata": {"a": 1}}, "Invalid type for 'client_metadata.a': expected a string, but got an integer instead.", "client_metadata.a", "invalid_type"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message", "param", "code"), ERRORS)
async def test_the_api_refuses_in_its_form(
    changes: dict[str, Any], message: str, param: str | None, code: str | None
) -> None:
    async with running() as c:
        answer = await c.ask(**changes)
        error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
        assert (answer.status_code, answer.json()) == (400, {"error": error})


SEARCH = {"type": "web_search", "external_web_access": True, "search_context_size": "low"}
GRAMMAR = {
    "type": "custom",
    "name": "exec",
    "description": "",
    "format": {"type": "grammar", "syntax": "lark", "definition": "a"},
}
TAKEN: list[dict[str, Any]] = [
    {"instructions": "Be brief."},
    {"input": []},
    {"input": [{"role": "user", "content": "Hi"}]},
    {"tools": []},
    {"tools": None, "include": None, "tool_choice": None, "service_tier": None, "text": None},
    {
        "tools": [
            function(),
            SEARCH,
            GRAMMAR,
            {"type": "image_generation", "output_format": "png"},
            {"type": "local_shell"},
        ]
    },
    {"tools": [{"type": "namespace", "name": "n", "description": "", "tools": [function()]}, {"type": "tool_search"}]},
    {"tools": [function()], "tool_choice": {"type": "function", "name": "get_weather"}},
    {"tools": [function()], "tool_choice": "required", "parallel_tool_calls": False},
    {"tools": [{"type": "function", "name": "f"}]},
    {"tools": [{"type": "tool_search"}, function() | {"defer_loading": True}]},
    {
        "tools": [{"type": "namespace", "name": "n", "tools": [function()]}],
        "tool_choice": {"type": "function", "name": "get_weather"},
    },
    {"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}},
    {"include": []},
    {"include": ["reasoning.encrypted_content"]},
    {"service_tier": "priority"},
    {"stream_options": {"reasoning_summary_delivery": "sequential_cutoff"}},
    {"prompt_cache_key": "k", "client_metadata": {"session_id": "s"}},
    {"reasoning": {}},
    {"reasoning": {"effort": "max", "summary": "auto", "context": "all_turns"}},
    {"reasoning": {"effort": "none"}},
    {"text": {"verbosity": "low", "format": {"type": "text"}}},
    {"text": {"format": {**STRICT, "strict": True, "schema": {"type": "object", "properties": {}}}}},
    {"model": "codex-auto-review"},
]


@pytest.mark.parametrize("changes", TAKEN)
async def test_what_the_backend_takes_is_taken(changes: dict[str, Any]) -> None:
    async with running() as c:
        answer = await c.ask(**changes)
        assert answer.status_code == 200, answer.text


# Everything is wrong at first; each step puts right what was told, and the next rule speaks.
STEPS: list[tuple[dict[str, Any], str]] = [
    ({}, "Instructions are required"),
    ({"instructions": ""}, "Store must be set to false"),
    ({"store": False}, "Stream must be set to true"),
    ({"stream": True}, "Input must be a list"),
    ({"input": [SYSTEM]}, "System messages are not allowed"),
    ({"input": [{"role": "tool"}]}, "Unsupported parameter: user"),
    ({"user": ...}, "Unsupported service_tier: flex"),
    ({"service_tier": ...}, "Unsupported tool type: mcp"),
    ({"tools": ...}, "Invalid value: 'x'. Supported values are: 'reasoning.encrypted_content'."),
    ({"include": ...}, NO_MODEL.format("gpt-4o")),
    ({"model": "gpt-6-sol"}, "Invalid value: 'tool'. Supported values are: 'assistant', 'system', 'developer', and 'user'."),
]  # fmt: skip


async def test_the_rules_speak_in_their_order() -> None:
    body: dict[str, Any] = {
        "model": "gpt-4o",
        "input": "Hi",
        "user": "u",
        "service_tier": "flex",
        "tools": [{"type": "mcp"}],
        "include": ["x"],
    }
    async with running() as c:
        for changes, text in STEPS:
            body = {key: value for key, value in (body | changes).items() if value is not ...}
            await c.ask(body=body)
            assert c.s.requests[-1].refusal == text


async def test_the_first_unknown_key_is_the_one_that_is_told() -> None:
    async with running() as c:
        answer = await c.ask(body=good() | {"top_p": 1, "temperature": 1})
        assert answer.json() == {"detail": "Unsupported parameter: top_p"}


async def test_instructions_can_be_left_to_the_client() -> None:
    async with running(instructions_required=False) as c:
        assert (await c.ask(instructions=...)).status_code == 200


async def test_a_lite_request_needs_no_instructions() -> None:
    lite = {"x-openai-internal-codex-responses-lite": "true"}
    tools = {
        "type": "additional_tools",
        "id": "at_1",
        "role": "developer",
        "tools": [{"type": "custom", "name": "exec"}],
    }
    last = {"type": "configuration_update", "reasoning": {"effort": "low"}}
    async with running() as c:
        assert (await c.ask(instructions=..., input=[tools, user(), last], headers=lite)).status_code == 200


VERSIONS = [(None, 200), ("999.0.0", 200), ("0.169.0", 200), ("0.164.9", 400), ("0.0.0", 400), ("old", 400)]


@pytest.mark.parametrize(("version", "status"), VERSIONS)
async def test_an_old_client_is_told_to_upgrade(version: str | None, status: int) -> None:
    async with running() as c:
        answer = await c.ask(model="gpt-6.1-sol", headers={"version": version} if version else {})
        assert answer.status_code == status
        if status == 400:
            text = (
                "The 'gpt-6.1-sol' model requires a newer version of Codex. "
                "Please upgrade to the latest app or CLI and try again."
            )
            assert answer.json() == {"detail": text}


async def test_a_plan_has_its_models() -> None:
    async with running() as c:
        c.login = c.s.login(plan="free")
        assert (await c.ask(model="codex-auto-review")).json() == {"detail": NO_MODEL.format("codex-auto-review")}
