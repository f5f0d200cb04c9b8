"""What several test modules begin with: items of answers, what they used up, and any JSON."""

from hypothesis import strategies as st

from standin.answers.usage import Usage

REASONING = {
    "id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "**Thinking** it over"}],
    "encrypted_content": "gAAAAB" + "x" * 900,
}  # fmt: skip
CALL = {
    "id": "fc_1",
    "type": "function_call",
    "call_id": "call_1",
    "name": "get_weather",
    "arguments": '{"city": "Oslo"}',
}
CUSTOM = {"id": "ctc_1", "type": "custom_tool_call", "call_id": "call_2", "name": "patch", "input": "*** Begin\n+ a"}
USAGE = Usage(input=1234, cached=1024, output=56, reasoning=12)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 2**63, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
