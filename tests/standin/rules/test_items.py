"""The rules for the items of `input` (docs/backend.md, 4)."""

from typing import Any

import pytest

from ..kit import PNG, call, good, items, output, running, user

NOT_FOUND = (
    "Item with id '{}' not found. Items are not persisted when `store` is set to false. "
    "Try again with `store` set to true, or remove this item from your input."
)
NO_STORE = [
    ({"type": "item_reference", "id": "msg_1"}, "msg_1"),
    ({"id": "msg_1"}, "msg_1"),
    ({"type": "reasoning", "id": "rs_1", "summary": []}, "rs_1"),
    ({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": None}, "rs_1"),
]


@pytest.mark.parametrize(("item", "item_id"), NO_STORE)
async def test_what_was_never_stored_is_not_found(item: dict[str, Any], item_id: str) -> None:
    async with running() as c:
        answer = await c.ask(input=[item, user()])
        assert (answer.status_code, answer.json()) == (404, {"detail": NOT_FOUND.format(item_id)})


def message(role: str, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts), **more}


def text(kind: str = "input_text", **more: Any) -> dict[str, Any]:
    return {"type": kind, "text": "a", **more}


def image(url: Any = PNG, **more: Any) -> dict[str, Any]:
    return message("user", {"type": "input_image", "image_url": url, **more})


LONG = "f" * 65
KIND = "Invalid value: '{}'. Supported values are: 'input_text', 'input_image', and 'input_file'."
LENGTH = "Invalid 'input[0].{}': string too long. Expected a string with maximum length 64, but got a string with length {} instead."
DATA_URL = "Invalid 'input[0].content[0].image_url'. Expected a base64-encoded data URL with an image MIME type"
NO_CALL = "No tool call found for function call output with call_id call_1."
NO_OUTPUT = "No tool output found for function call call_1."
REASONING = {"type": "reasoning", "summary": []}
ALONE = "Item 'None' of type 'reasoning' was provided without its required following item."
ANSWERED = {"role": "assistant", "content": "Hi"}
CUSTOM = {"type": "custom_tool_call", "call_id": "call_1", "name": "exec", "input": "a"}
CUSTOM_OUTPUT = {"type": "custom_tool_call_output", "call_id": "call_1", "output": "b"}

ERRORS: list[tuple[list[Any], str, str | None]] = [
    (["Hello"], "Invalid type for 'input[0]': expected an object, but got a string instead.", "input[0]"),
    ([{"type": "novel_call"}], "", "input[0].type"),
    # Roles and their content.
    ([{"role": "tool", "content": "a"}], "Invalid value: 'tool'. Supported values are: 'assistant', 'system', 'developer', and 'user'.", "input[0].role"),
    ([{"content": "a"}], "Missing required parameter: 'input[0].role'.", "input[0].role"),
    ([{"role": "user"}], "Missing required parameter: 'input[0].content'.", "input[0].content"),
    ([{"role": "assistant", "content": None}], "Invalid type for 'input[0].content': expected one of an array of objects or string, but got null instead.", "input[0].content"),
    ([message("user", text("text"))], KIND.format("text"), "input[0].content[0]"),
    ([message("developer", text("output_text"))], KIND.format("output_text"), "input[0].content[0]"),
    ([message("assistant", text())], "Invalid value: 'input_text'. Supported values are: 'output_text' and 'refusal'.", "input[0].content[0]"),
    ([message("user", {"type": "image_url", "image_url": {"url": PNG}})], KIND.format("image_url"), "input[0].content[0]"),
    ([message("user", {"type": "input_text"})], "Missing required parameter: 'input[0].content[0].text'.", "input[0].content[0].text"),
    ([message("user", {"type": "input_text", "text": None})], "Missing required parameter: 'input[0].content[0].text'.", "input[0].content[0].text"),
    ([message("user", {"type": "input_file", "filename": "a.pdf"})], "Missing required parameter: 'input[0].content[0].file_data'.", "input[0].content[0].file_data"),
    ([message("user", text(cache_control={}))], "Unknown parameter: 'input[0].content[0].cache_control'.", "input[0].content[0].cache_control"),
    ([message("user", text(prompt_cache_breakpoint={}))], "prompt_cache_breakpoint is not supported on this model", "input[0].content[0].prompt_cache_breakpoint"),
    ([message("assistant", text("output_text", parsed={}))], "Unknown parameter: 'input[0].content[0].parsed'.", "input[0].content[0].parsed"),
    # Images.
    ([image("data:image/png;base64,")], f"{DATA_URL}, but got empty base64-encoded bytes.", "input[0].content[0].image_url"),
    ([image("data:text/plain;base64,aGk=")], f"{DATA_URL}, but got unsupported MIME type 'text/plain'.", "input[0].content[0].image_url"),
    ([image("data:image/png;base64,????")], f"{DATA_URL}, but got invalid base64-encoded bytes.", "input[0].content[0].image_url"),
    ([image("data:image/png;base64,aGVsbG8gdGhlcmU=")], "The image data you provided does not represent a valid image. Please check your input and try again with one of the supported image formats: ['image/jpeg', 'image/png', 'image/gif', 'image/webp'].", "input[0].content[0].image_url"),
    ([image({"url": PNG})], "Invalid type for 'input[0].content[0].image_url': expected an image URL, but got an object instead.", "input[0].content[0].image_url"),
    ([image("file:///a.png")], "Invalid 'input[0].content[0].image_url'. Expected a valid URL, but got a value with an invalid format.", "input[0].content[0].image_url"),
    ([image(None)], "Missing required parameter: 'input[0].content[0].image_url'.", "input[0].content[0].image_url"),
    ([image(detail="huge")], "Invalid value: 'huge'. Supported values are: 'low', 'high', 'auto', and 'original'.", "input[0].content[0].detail"),
    # An assistant's message with nothing in it.
    ([{"role": "assistant", "content": ""}], "Missing required parameter: 'input[0].content'.", "input[0].content"),
    ([message("assistant", {"type": "output_text", "text": ""})], "Missing required parameter: 'input[0].content'.", "input[0].content"),
    # Ids.
    ([call(id="call_9"), output()], "Invalid 'input[0].id': 'call_9'. Expected an ID that begins with 'fc'.", "input[0].id"),
    ([user() | {"id": "item_0"}], "Invalid 'input[0].id': 'item_0'. Expected an ID that begins with 'msg'.", "input[0].id"),
    ([user() | {"id": ""}], "Invalid 'input[0].id': ''. Expected an ID that begins with 'msg'.", "input[0].id"),
    ([{"type": "reasoning", "id": "msg_1", "summary": [], "encrypted_content": "a"}], "Invalid 'input[0].id': 'msg_1'. Expected an ID that begins with 'rs'.", "input[0].id"),
    ([CUSTOM | {"id": "fc_1"}], "Invalid 'input[0].id': 'fc_1'. Expected an ID that begins with 'ctc'.", "input[0].id"),
    ([CUSTOM, CUSTOM_OUTPUT | {"id": "ctc_1"}], "Invalid 'input[1].id': 'ctc_1'. Expected an ID that begins with 'ctco'.", "input[1].id"),
    ([call(id="fc_" + LONG), output()], LENGTH.format("id", 68), "input[0].id"),
    ([call(LONG), output(LONG)], LENGTH.format("call_id", 65), "input[0].call_id"),
    # Calls.
    ([call(arguments={"city": "Oslo"}), output()], "Invalid type for 'input[0].arguments': expected a string, but got an object instead.", "input[0].arguments"),
    ([call(arguments=None), output()], "Missing required parameter: 'input[0].arguments'.", "input[0].arguments"),
    ([call(name=None), output()], "Missing required parameter: 'input[0].name'.", "input[0].name"),
    ([call(parsed_arguments={}), output()], "Unknown parameter: 'input[0].parsed_arguments'.", "input[0].parsed_arguments"),
    ([call(), output(namespace="n")], "Unknown parameter: 'input[1].namespace'.", "input[1].namespace"),
    ([call(status="completed"), output()], "Unsupported parameter: 'input[0].status'.", "input[0].status"),
    ([user() | {"provider_specific_fields": {}}], "Unknown parameter: 'input[0].provider_specific_fields'.", "input[0].provider_specific_fields"),
    ([{"type": "reasoning", "encrypted_content": "a"}], "Missing required parameter: 'input[0].summary'.", "input[0].summary"),
    # Pairs.
    ([user(), output()], NO_CALL, "input"),
    ([output(), call()], NO_CALL, "input"),
    ([call(), output(), output()], NO_CALL, "input"),
    ([call(), CUSTOM_OUTPUT], "No tool call found for custom tool call output with call_id call_1.", "input"),
    ([call(), user()], NO_OUTPUT, "input"),
    ([call(), call(), output()], NO_OUTPUT, "input"),
    ([call(), output(), call(), output()], NO_OUTPUT, "input"),
    ([call("call_0"), call(), output("call_0")], NO_OUTPUT, "input"),
    ([CUSTOM], "No tool output found for custom tool call call_1.", "input"),
    ([{"type": "apply_patch_call", "call_id": "c"}], "No tool output found for apply patch call c.", "input"),
    ([{"type": "mcp_approval_request", "id": "m"}], "No tool output found for MCP approval request m.", "input"),
    ([{"type": "tool_search_output", "call_id": "c"}], "No tool call found for tool search call output with call_id c.", "input"),
    # Reasoning without what it led to.
    ([user(), REASONING, user()], ALONE, "input"),
    ([user(), REASONING], ALONE, "input"),
    ([call(), REASONING, output()], ALONE, "input"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "message", "param"), ERRORS)
async def test_a_wrong_item_is_refused(sent: list[Any], message: str, param: str) -> None:
    async with running() as c:
        answer = await c.ask(input=sent)
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert (error["type"], error["param"]) == ("invalid_request_error", param)
        assert error["message"].startswith(message) if not message else error["message"] == message


@pytest.mark.parametrize(
    "out", [None, 5, {"a": 1}, [{"type": "text", "text": "a"}], [{"type": "output_text", "text": "a"}], ["a"]]
)
async def test_a_tool_output_is_text_or_parts(out: Any) -> None:
    async with running() as c:
        answer = await c.ask(input=[call(), output(text=out)])
        assert (answer.status_code, answer.json()) == (400, {"detail": "Unsupported content type"})


SHELL = {
    "type": "local_shell_call",
    "call_id": "call_1",
    "status": "completed",
    "action": {"type": "exec", "command": []},
}
TAKEN: list[list[dict[str, Any]]] = [
    [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    [user(), {"role": "assistant", "content": "Hi"}, user()],
    [message("assistant", text("output_text", annotations=[], logprobs=[]), id="msg_1", status="completed", phase="final_answer"), user()],
    [message("assistant", {"type": "refusal", "refusal": "No."}), user()],
    [image(), image(detail="original"), image("https://example.org/a.png")],
    [message("user", {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="})],
    [call(id="fc_1"), output()],
    [call(id=None, namespace="n"), output(text=[{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": PNG}])],
    [call("a"), call("b"), output("b"), output("a"), user()],
    [CUSTOM | {"id": "ctc_1"}, CUSTOM_OUTPUT | {"id": "ctco_1"}],
    [SHELL, output()],
    [{"type": "reasoning", "summary": []}, call(), output()],
    [{"type": "reasoning", "summary": []}, {"type": "reasoning", "summary": []}, {"role": "assistant", "content": "Hi"}],
    [{"type": "shell_call", "call_id": "c", "action": {}}, {"type": "shell_call_output", "call_id": "c", "output": []}],
    [{"type": "local_shell_call", "call_id": "c"}, {"type": "local_shell_call_output", "id": "c", "output": "a"}],
    [{"type": "mcp_approval_request", "id": "m"}, {"type": "mcp_approval_response", "approval_request_id": "m", "approve": True}],
    [user() | {"internal_chat_message_metadata_passthrough": {"turn_id": "1"}}],
    [{"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "a"}}, user()],
    [{"type": "tool_search_call", "call_id": None, "execution": "server"}, user()],
]  # fmt: skip


@pytest.mark.parametrize("sent", TAKEN)
async def test_a_right_item_is_taken(sent: list[dict[str, Any]]) -> None:
    async with running() as c:
        answer = await c.ask(input=sent)
        assert answer.status_code == 200, answer.text


async def test_what_the_server_said_can_be_sent_back() -> None:
    async with running() as c:
        first = await c.ask(include=["reasoning.encrypted_content"], reasoning={"summary": "auto"})
        second = await c.ask(input=[user(), *items(first.text), user()])
        assert second.status_code == 200, second.text


async def test_a_status_can_be_taken() -> None:
    async with running(status_refused=False) as c:
        assert (await c.ask(input=[call(status="completed"), output()])).status_code == 200
        assert (await c.ask(input=[call(parsed_arguments={}), output()])).status_code == 400


REASONS = [
    ("foreign", "Encrypted content could not be decrypted or parsed."),
    ("broken", "Encrypted content could not be decrypted or parsed."),
    ("of another account", "Encrypted content organization_id did not match the target organization."),
    ("of another item", "Encrypted content item_id did not match the target item id."),
]


@pytest.mark.parametrize(("what", "reason"), REASONS)
async def test_encrypted_content_is_known_again(what: str, reason: str) -> None:
    async with running() as c:
        told = await c.ask(include=["reasoning.encrypted_content"])
        reasoning = next(item for item in items(told.text) if item["type"] == "reasoning")
        match what:
            case "foreign":
                reasoning["encrypted_content"] = "gAAAAAB-of-some-other-server"
            case "broken":
                reasoning["encrypted_content"] = reasoning["encrypted_content"][:-4] + "AAA="
            case "of another account":
                c.login = c.s.login()
            case "of another item":
                reasoning["id"] = "rs_other"
        answer = await c.ask(input=[reasoning, user()])
        error = answer.json()["error"]
        text = f"The encrypted content for item {reasoning['id']} could not be verified. Reason: {reason}"
        assert (answer.status_code, error["code"], error["message"]) == (400, "invalid_encrypted_content", text)


async def test_a_stored_file_is_not_waited_for() -> None:
    for part in ({"type": "input_image", "file_id": "file-1"}, {"type": "input_file", "file_id": "file-1"}):
        async with running() as c:
            answer = await c.ask(input=[message("user", part)])
            assert answer.status_code == 502


async def test_encrypted_content_needs_no_id() -> None:
    async with running() as c:
        told = await c.ask(include=["reasoning.encrypted_content"])
        reasoning = next(item for item in items(told.text) if item["type"] == "reasoning")
        del reasoning["id"]
        assert (await c.ask(input=[reasoning, ANSWERED])).status_code == 200


async def test_encrypted_content_can_be_taken_on_trust() -> None:
    async with running(trust_encrypted=("gAAAA",)) as c:
        item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAxxxxxxxx"}
        assert (await c.ask(input=[item, ANSWERED])).status_code == 200


async def test_shapes_are_looked_at_before_pairs() -> None:
    async with running() as c:
        answer = await c.ask(body=good(input=[output(), {"role": "tool", "content": ""}]))
        assert answer.json()["error"]["param"] == "input[1].role"
