"""The clients that are driven, and what is known of each besides what a run shows."""

import functools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DRIVERS = HERE / "drivers"
# In the order of the page's columns, and what stands over them; those below are not for every client.
SCENARIOS = {
    "text": "text",
    "stream": "stream",
    "tools": "three rounds of tools",
    "structured": "structured output",
    "image": "image",
    "cancel": "cancel",
    "model": "no such model",
    "limit": "usage limit",
    "broken": "broken stream",
}
MORE = {
    "turns": "A second turn, with the messages that the client keeps of the first",
    "models": "The list of models, and one of them",
    "contexts": "The list of models, each with its context window",
}
ADDRESS = "http://127.0.0.1:9090"
LANGUAGES = {
    ".py": "python",
    ".mjs": "js",
    ".yaml": "yaml",
    ".toml": "toml",
    ".sh": "sh",
    ".json": "json",
    ".txt": "text",
}


@dataclass(frozen=True)
class Client:
    name: str
    package: str
    """What is pinned in a requirements file or in package.json; "" where it is no such package."""
    driver: str
    """File in drivers/; "" for one that is not driven."""
    configuration: str = ""
    """File in drivers/; without one it is the part of the driver that is marked so."""
    environment: str = "clients"
    """Of a driver in Python: which .venv-… it runs in."""
    lacks: dict[str, str] = field(default_factory=dict)
    """Scenario → why it is not run, for the page."""
    more: tuple[str, ...] = ()
    """Scenarios that only some clients have."""
    output_tool: str = ""
    """The tool that it asks a structured output with."""
    call: tuple[str, str] = ("get_weather", '{"city": "CITY"}')
    """How its tool is called: name, and arguments as JSON or as what a custom tool takes."""
    streams: tuple[str, ...] = ("stream",)
    """What of the driver meets a stream that breaks; `helper` is the SDK's `.stream()`."""
    version_is: str = ""
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return Path(self.configuration or self.driver).stem

    @property
    def scenarios(self) -> list[str]:
        return [name for name in (*SCENARIOS, *self.more) if name not in self.lacks]

    @property
    def anchor(self) -> str:
        """Of its heading, as GitHub makes it."""
        return re.sub(r"[^\w -]", "", self.name.lower()).replace(" ", "-")

    @property
    def language(self) -> str:
        return LANGUAGES[Path(self.configuration or self.driver).suffix]

    def settings(self) -> str:
        """The configuration, as the page shows it and the driver runs it."""
        if self.configuration:
            return (DRIVERS / self.configuration).read_text()
        source = (DRIVERS / self.driver).read_text()
        found = re.search(r"^(?:#|//) configuration\n(.*?)^(?:#|//) end of", source, re.M | re.S)
        assert found, self.driver
        return found[1]

    @property
    def version(self) -> str:
        """The pinned version of its package."""
        of_npm = self.driver.endswith(".mjs") or self.package.startswith(("@", "opencode-"))
        return self.version_is or pinned("node" if of_npm else self.environment)[self.package]


@functools.cache
def pinned(environment: str) -> dict[str, str]:
    """Package → version; `environment` "node" is package.json's."""
    if environment == "node":
        told = json.loads((HERE / "package.json").read_text())
        return {**told["dependencies"], **told["optionalDependencies"]}
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", (HERE / f"requirements-{environment}.txt").read_text(), re.M))


LLM = "In `extra-openai-models.yaml`, in the folder of `llm logs path`. Without the `supports_…` lines it refuses tools and schemas itself."
OPENCODE: Any = {
    "lacks": {
        "stream": "`opencode serve` was asked for whole messages",
        "structured": "it has no such thing for its users",
    },
    "more": ("turns",),
    "streams": ("text",),
    "call": ("bash", '{"command": "echo CITY | tee -a called", "description": "Ask"}'),
    "notes": (
        "In `opencode.json`, of a project or in `~/.config/opencode`.",
        "What was driven is `opencode serve`, which its screen talks to.",
        "After a failure it shows what it was told, waits, and asks again without end, after a usage limit as well: its own doing. The driver stops it"
        " there, as its user would.",
    ),
}
BOTH = ("stream", "helper")
CODEX_FILE = (
    "In `~/.codex/config.toml`. Its tool calls are JavaScript of the model's, which calls the shell.",
    "After a broken stream it asks five times more, over the WebSocket and then as often over HTTP: its own doing, and not with failures that last,"
    " such as a full context. `stream_max_retries = 0` in its provider's table ends that; so its broken stream was driven.",
)
CODEX: Any = {
    "lacks": {"stream": "`codex exec` prints whole messages"},
    "more": ("turns",),
    "streams": ("broken",),
    "call": ("exec", "text(await tools.exec_command({cmd: 'echo CITY | tee -a called'}))"),
}
ENDS = (
    'A broken stream ends `textStream` with "Failed to process successful response"; what it was about `onError` is told, which prints it'
    " unless a program has its own."
)
RETRIES = "It asks again after a 429 whatever the answer says (`x-should-retry: false`): its own doing. `maxRetries: 0` ends that."


def editor(name: str, configuration: str, where: str) -> Client:
    """One with a screen, which is not driven."""
    return Client(
        name, "", "", configuration, version_is="any", lacks=dict.fromkeys(SCENARIOS, "it has a screen"),
        notes=("Not driven: the lines are as guides to it give them.", where),
    )  # fmt: skip


CLIENTS = (
    Client("openai (Python), responses", "openai", "openai_responses.py", more=("models",), streams=BOTH),
    Client("openai (Python), chat", "openai", "openai_chat.py", streams=BOTH),
    Client("openai (Python), asyncio", "openai", "openai_async.py", streams=BOTH),
    Client("openai (Node), responses", "openai", "openai_node_responses.mjs", more=("models",), streams=BOTH),
    Client("openai (Node), chat", "openai", "openai_node_chat.mjs", streams=BOTH),
    Client(
        "AI SDK, openai", "@ai-sdk/openai", "ai_sdk_openai.mjs", more=("turns",),
        notes=(
            "It believes that answers are stored, and sends its earlier ones by id: the proxy puts them back from memory, as long as it has"
            " them (`codex_memory`). With `store: false`, as below, nothing depends on that.",
            RETRIES,
            ENDS,
        ),
    ),
    Client(
        "AI SDK, openai, not stored", "@ai-sdk/openai", "ai_sdk_openai_not_stored.mjs",
        more=("turns",), notes=(RETRIES, ENDS),
    ),
    Client(
        "AI SDK, openai-compatible", "@ai-sdk/openai-compatible", "ai_sdk_compatible.mjs",
        more=("turns",),
        notes=(
            "Without `supportsStructuredOutputs` it sends no schema, but asks for any JSON, and says so in a warning.",
            RETRIES,
            ENDS,
        ),
    ),
    Client("LangChain, responses", "langchain-openai", "langchain_responses.py"),
    Client(
        "LangChain, chat", "langchain-openai", "langchain_chat.py",
        notes=("It tells what a stream used up only with `stream_usage=True`.",),
    ),
    Client(
        "openai-agents", "openai-agents", "openai_agents.py",
        notes=("Its tracing is on by itself, and goes to OpenAI's platform, not through the proxy.",),
    ),
    Client(
        "pydantic-ai, responses", "pydantic-ai-slim", "pydantic_ai_responses.py", output_tool="final_result",
        notes=("A structured output is a required tool call by itself; that is what was driven.",),
    ),
    Client(
        "pydantic-ai, chat", "pydantic-ai-slim", "pydantic_ai_chat.py", output_tool="final_result",
        notes=("A structured output is a required tool call by itself; that is what was driven.",),
    ),
    Client(
        "litellm, completion", "litellm", "litellm_sdk.py", environment="litellm",
        notes=("With tools it wants the package `mcp`, which it does not bring: `pip install litellm mcp`.",),
    ),
    Client(
        "litellm, responses", "litellm", "litellm_responses.py", environment="litellm",
        notes=("It wants the package `mcp`, which it does not bring: `pip install litellm mcp`.",),
    ),
    Client("llm, chat", "llm", "llm_cli.py", "llm_chat.yaml", more=("turns",), notes=(LLM,)),
    Client("llm, responses", "llm", "llm_cli.py", "llm_responses.yaml", more=("turns",), notes=(LLM,)),
    Client("Codex CLI, WebSocket", "@openai/codex", "codex_cli.py", "codex_websocket.toml", **CODEX, notes=CODEX_FILE),
    Client("Codex CLI, HTTP", "@openai/codex", "codex_cli.py", "codex_http.toml", **CODEX, notes=CODEX_FILE),
    Client("OpenCode, chat", "opencode-linux-x64", "opencode_server.py", "opencode_chat.json", **OPENCODE),
    Client("OpenCode, responses", "opencode-linux-x64", "opencode_server.py", "opencode_responses.json", **OPENCODE),
    Client("OpenCode, provider openai", "opencode-linux-x64", "opencode_server.py", "opencode_builtin.json", **OPENCODE),
    Client(
        "nanobot", "", "nanobot_requests.py", "nanobot.sh", version_is="63c9c55",
        lacks={"stream": "it reads only the last event"}, streams=("text",),
        notes=(
            "Its recorded requests were sent, header by header, not the program itself.",
            "It asks for a chat's title with `gpt-4.1` unless its agent names another model: the account's default model answers.",
        ),
    ),
    Client(
        "Letta", "", "letta_models.py", "letta.sh", version_is="server 0.16",
        lacks=dict.fromkeys(SCENARIOS, "its server, with over a hundred packages, was not installed"), more=("contexts",),
        notes=("What was driven is its server's way of asking for the models, written anew after its source.",),
    ),
    Client(
        "curl", "", "curl_command.py", "curl.sh", version_is="any",
        lacks={"tools": "that would be a program"}, more=("models",),
    ),
    editor("Continue", "continue.yaml", "In `~/.continue/config.yaml`."),
    editor("Zed", "zed.json", "In its `settings.json`; it wants `CODEX_API_KEY`, named after the provider, with any value."),
    editor("VS Code", "vs_code.json", "In its `chatLanguageModels.json`: Chat: Manage Language Models, Add, Custom Endpoint."),
    editor("Roo Code", "roo_code.txt", "In its settings, under Providers."),
    editor(
        "Cursor", "cursor.txt",
        "In its settings, under Models. Its own servers ask, so the proxy has to be reachable for them: on this machine alone it is not.",
    ),
)  # fmt: skip
