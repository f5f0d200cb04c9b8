"""An agent in a container of its own works with a base URL and a key, and nothing it has or could listen to holds the token.

Of a container it has what counts here: a network namespace, joined to the host's by a pair of virtual interfaces.
"""

import asyncio
import base64
import json
import os
import shutil
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from standin import Standin

from ..places import ROOT
from .harness import PATIENCE, Start

KEY = "the key of the agents"
BRIDGE, AGENT = "10.213.7.1", "10.213.7.2"

# From <linux/if_packet.h>, <linux/if_ether.h>.
SOL_PACKET, PACKET_STATISTICS, ETH_P_ALL = 263, 6, 3

# A piece of a secret this long is no coincidence.
TELLING = 16


@pytest.fixture
def container() -> Iterator[int]:
    """Puts this thread, and what it starts, into a network of its own, the host's; yields that of the container."""
    missing = [name for name in ("ip", "nsenter") if not shutil.which(name)]
    if sys.platform != "linux" or missing:
        pytest.skip(f"needs Linux with iproute2 and util-linux; missing: {', '.join(missing) or 'Linux'}")
    before = network()
    try:
        # There must be a way back for the tests that come after.
        os.setns(before, os.CLONE_NEWNET)
        os.unshare(os.CLONE_NEWNET)
    except PermissionError:
        os.close(before)
        # No package brings that right, so it is no failure under CI either.
        pytest.xfail("only root may make network namespaces; under `unshare -Urn` everybody is")
    theirs = network()
    os.unshare(os.CLONE_NEWNET)
    for line in (
        "link set lo up", f"link add host0 type veth peer name agent0 netns /proc/self/fd/{theirs}",
        f"address add {BRIDGE}/30 dev host0", "link set host0 up",
    ):  # fmt: skip
        subprocess.run(["ip", *line.split()], check=True, pass_fds=[theirs])
    for line in ("link set lo up", f"address add {AGENT}/30 dev agent0", "link set agent0 up"):
        subprocess.run([*inside(theirs), "ip", *line.split()], check=True, pass_fds=[theirs])
    yield theirs
    os.setns(before, os.CLONE_NEWNET)
    os.close(before)
    os.close(theirs)


def network() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def inside(namespace: int) -> list[str]:
    return ["nsenter", f"--net=/proc/self/fd/{namespace}"]


class Wire:
    """Everything that crosses the pair of interfaces, as an eavesdropper has it."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind(("host0", ETH_P_ALL))
        self.socket.setblocking(False)

    def read(self) -> None:
        while True:
            try:
                self.frames.append(self.socket.recv(1 << 17))
            except BlockingIOError:
                return

    def streams(self) -> bytes:
        """The bytes of all TCP connections, each direction in order."""
        parts: dict[bytes, dict[int, bytes]] = defaultdict(dict)
        for frame in self.frames:
            packet = frame[14:]
            if frame[12:14] != b"\x08\x00" or packet[9] != socket.IPPROTO_TCP:
                continue
            packet = packet[: int.from_bytes(packet[2:4])]
            segment = packet[(packet[0] & 15) * 4 :]
            parts[packet[12:20] + segment[:4]][int.from_bytes(segment[4:8])] = segment[(segment[12] >> 4) * 4 :]
        return b"".join(each[number] for each in parts.values() for number in sorted(each))

    def lost(self) -> int:
        statistics = self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        return int.from_bytes(statistics[4:8], sys.byteorder)


@pytest.fixture
async def wire(container: int) -> Any:
    wire = Wire()
    asyncio.get_running_loop().add_reader(wire.socket, wire.read)
    yield wire
    asyncio.get_running_loop().remove_reader(wire.socket)
    wire.socket.close()


def forms(secret: str) -> Iterator[bytes]:
    """A secret as it is, in hex, and in base64 wherever in a longer text it may stand."""
    raw = secret.encode()
    yield raw
    yield raw.hex().encode()
    for before in range(3):
        encoded = base64.b64encode(b"." * before + raw)[4:-4]
        yield encoded
        yield encoded.translate(bytes.maketrans(b"+/", b"-_"))


def holds_a_piece(text: bytes, secret: str) -> bool:
    return any(form[at : at + TELLING] in text for form in forms(secret) for at in range(len(form) - TELLING + 1))


def test_a_piece_of_a_secret_is_found_in_every_form() -> None:
    secret = "".join(chr(33 + n * 7 % 90) for n in range(60))
    piece = secret[20:50].encode()
    for text in (piece, base64.b64encode(b"ab" + piece), base64.urlsafe_b64encode(b"a" + piece), piece.hex().encode()):
        assert holds_a_piece(b"before " + text + b" after", secret)
    assert not holds_a_piece(b"something else altogether" * 9, secret)


# What runs in the container: the SDK as everybody uses it, and then what somebody would try who is after the token.
PROGRAM = """
import json, os, socket, sys, urllib.error, urllib.request
import openai

client = openai.OpenAI(max_retries=0)
tool = {"type": "function", "name": "get_weather", "strict": True, "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}
conversation = [{"role": "user", "content": "Weather in Oslo?"}]
with client.responses.stream(model="gpt-6-sol", input=conversation, tools=[tool]) as stream:
    first = stream.get_final_response()
conversation += [item.model_dump() for item in first.output]
call = next(item for item in first.output if item.type == "function_call")
conversation.append({"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"})
answer = client.responses.create(model="gpt-6-sol", input=conversation, tools=[tool])

def refused(**headers):
    body = json.dumps({"model": "gpt-6-sol", "input": "hi"}).encode()
    try:
        urllib.request.urlopen(urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/responses", body, headers))
    except urllib.error.HTTPError as e:
        return [e.code, json.load(e)["error"]["code"]]

def reached(host, port):
    try:
        socket.create_connection((host, port), 5).close()
    except OSError as e:
        return type(e).__name__

health = urllib.request.urlopen(os.environ["OPENAI_BASE_URL"].removesuffix("/v1") + "/healthz").status
about = client.with_options(base_url=os.environ["OPENAI_BASE_URL"].removesuffix("/v1")).get("/", cast_to=object)
print(json.dumps({
    "answer": answer.output_text, "call": json.loads(call.arguments), "environment": dict(os.environ), "health": health, "about": about,
    "refused": [refused(), refused(authorization="Bearer guessed"), refused(authorization="Bearer")],
    "reached": [reached(host, int(sys.argv[1])) for host in ("127.0.0.1", sys.argv[2])],
}))
"""


async def test_an_agent_works_with_a_key_and_never_meets_the_token(
    container: int, wire: Wire, standin: Standin, start: Start, login_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    proxy = await start(
        modes=(f"reverse:https://chatgpt.com@{BRIDGE}:0",),
        codex_client_key=f"file:{tmp_path / 'key'}", codex_upstream=standin.upstream, codex_auth_file=login_file,
    )  # fmt: skip
    home = tmp_path / "home of the agent"
    home.mkdir()
    process = await asyncio.create_subprocess_exec(
        *inside(container), sys.executable, "-c", PROGRAM, str(standin.port), BRIDGE, cwd=home, pass_fds=[container],
        env={
            "HOME": str(home), "PATH": os.environ["PATH"],
            "OPENAI_BASE_URL": f"http://{BRIDGE}:{proxy.ports[0]}/v1", "OPENAI_API_KEY": KEY,
        },
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, err.decode()
    found = json.loads(out)
    wire.read()

    assert found["call"] == {"city": "Oslo"}
    assert "12 degrees" in found["answer"]
    assert found["health"] == 200
    assert found["refused"] == [[401, "wrong_client_key"]] * 3
    # The backend is the host's to reach.
    assert found["reached"] == ["ConnectionRefusedError"] * 2
    # Both directions of the conversation were listened to, and the token did go to the backend.
    heard = wire.streams()
    assert wire.lost() == 0
    assert f"Bearer {KEY}".encode() in heard and b"Weather in Oslo?" in heard and b"response.completed" in heard
    tokens = json.loads(login_file.read_text())["tokens"]
    assert [seen.refusal for seen in standin.requests] == [None, None]
    assert ("authorization", f"Bearer {tokens['access_token']}") in [
        (name.lower(), value) for name, value in standin.requests[0].headers
    ]
    files = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    places = {"wire": heard, "frames": b"".join(wire.frames), "program": out + err, "files": files}
    # Not in pieces: whose account it is may be sealed into what the backend encrypts, as the stand-in does.
    account = tokens.pop("account_id")
    for where, text in places.items():
        assert account.encode() not in text, where
        for what, secret in tokens.items():
            assert not holds_a_piece(text, secret), f"{what} in {where}"


def test_the_compose_file_gives_a_container_a_base_url_and_a_key_and_nothing_of_the_login() -> None:
    path = ROOT / "docs" / "examples" / "compose.yaml"
    services = YAML(typ="safe").load(path)["services"]

    assert set(services["agent"]["environment"]) == {"OPENAI_BASE_URL", "OPENAI_API_KEY"}
    assert not any("volumes" in one or "env_file" in one or "network_mode" in one for one in services.values())
    assert services["proxy-is-up"]["command"][-1].endswith("/healthz")
    assert all(one["extra_hosts"] == ["host.docker.internal:host-gateway"] for one in services.values())
