"""The real proxy, the strict stand-in for the backend, a real client: one question, no account needed."""

import asyncio
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import openai

from command_line import Parser
from ctrl_c import stop_as_by_ctrl_c
from standin import Standin

ROOT = Path(__file__).resolve().parent.parent
QUESTION = "What is the weather in Oslo?"
TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather of a city, today.",
    "strict": False,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}

# How long anything here may take, in seconds.
PATIENCE = 60.0


class Demo:
    """Keeps the proxy's log, to tell afterwards what it did."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.listening = asyncio.Event()
        self.port = 0

    async def run(self, folder: Path) -> None:
        async with Standin() as backend:
            say(f"The stand-in for the backend listens at {backend.origin}, as strict as the real one.")
            proxy = await self.start_proxy(backend, folder)
            try:
                await asyncio.wait_for(self.listening.wait(), PATIENCE)
                say(f"The proxy listens at http://127.0.0.1:{self.port}; any API key will do.")
                await self.ask()
            finally:
                proxy.terminate()
                await proxy.wait()
            self.tell(backend)

    async def start_proxy(self, backend: Standin, folder: Path) -> asyncio.subprocess.Process:
        login = folder / "auth.json"
        login.touch(mode=0o600)
        login.write_text(json.dumps(backend.login()))
        options = {
            "codex_upstream": backend.upstream,
            "codex_issuer": backend.issuer,
            "codex_auth_file": str(login),
            "codex_model_map": "gpt-4*=gpt-6-luna",
            "confdir": str(folder / "mitmproxy"),
        }
        sets = [part for name, value in options.items() for part in ("--set", f"{name}={value}")]
        proxy = await asyncio.create_subprocess_exec(
            Path(sys.executable).parent / "mitmdump", "-s", ROOT / "addon" / "codex.py",
            "--mode", "reverse:https://chatgpt.com@127.0.0.1:0", *sets,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        )  # fmt: skip
        self.reader = asyncio.create_task(self.read(proxy))
        return proxy

    async def read(self, proxy: asyncio.subprocess.Process) -> None:
        assert proxy.stdout
        async for raw in proxy.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            self.log.append(line)
            if found := re.search(r"listening at \S+:(\d+)\.", line):
                self.port = int(found[1])
                self.listening.set()

    async def ask(self) -> None:
        """One question through the `openai` SDK, its tool loop to the end, the answer printed as it streams."""
        async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{self.port}/v1", api_key="dummy") as client:
            say(f"\nQuestion: {QUESTION}")
            conversation: list[Any] = [
                {"role": "system", "content": "Answer briefly."},
                {"role": "user", "content": QUESTION},
            ]
            for _ in range(3):
                output = await self.turn(client, conversation)
                calls = [item for item in output if item.type == "function_call"]
                conversation += [item.model_dump(exclude_none=True) for item in output]
                if not calls:
                    return
                for call in calls:
                    say(f"  the model calls {call.name}({call.arguments})")
                    told = {"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees and rain"}
                    conversation.append(told)
        raise SystemExit("The tool loop did not come to an end.")

    async def turn(self, client: openai.AsyncOpenAI, conversation: list[Any]) -> list[Any]:
        stream: Any = await client.responses.create(
            model="gpt-4.1", input=conversation, tools=[TOOL], stream=True, temperature=0.2, max_output_tokens=200
        )
        said, output = False, None
        async for event in stream:
            if event.type == "response.output_text.delta":
                print("" if said else "Answer: ", event.delta, sep="", end="", flush=True)
                said = True
            elif event.type == "response.completed":
                output = event.response.output
        if said:
            print()
        if not output:
            raise SystemExit("The answer's last event had no output.")
        return list(output)

    def tell(self, backend: Standin) -> None:
        """What the proxy changed, from its own log; what would have been refused without it."""
        lines = [found[1] for line in self.log if (found := re.search(r"POST /v1/responses (.*)", line))]
        refused = [seen.refusal for seen in backend.requests if seen.refusal]
        changed = [found[1] for line in lines if (found := re.search(r"changed: (.*?) · ", line))]
        if len(lines) != 2 or not all(changed) or refused:
            print("\n".join(self.log), file=sys.stderr)
            raise SystemExit(f"Unexpected result: {refused or lines}")
        say(
            "\nWhat the proxy changed in the first request, so that the backend accepts it and its cache serves the next one:"
        )
        for change in changed[0].split(", "):
            say(f"  {change}")
        say("and its log lines:")
        for line in lines:
            say(f"  POST /v1/responses {line}")


def say(text: str) -> None:
    print(text, flush=True)


NEXT = """
Next steps:
  scripts/serve      the proxy on your own subscription (after `scripts/login`)
  scripts/backend    the stand-in alone, with failures to switch on
  README.md          everything else"""


def main() -> None:
    Parser(prog="scripts/demo", description=__doc__).read()
    stop_as_by_ctrl_c()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(asyncio.wait_for(Demo().run(Path(folder)), PATIENCE * 2))
    say(NEXT)


if __name__ == "__main__":
    main()
