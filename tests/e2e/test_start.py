"""Starting it: what it says when something is wrong, and that a person sees no traceback."""

import asyncio
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from free_port import free_port

from .harness import PATIENCE, SCRIPT, Start, environment

# One for each of those that check options; all that can be wrong is in the tests of the steps and of addons/options.py.
WRONG: list[tuple[dict[str, str], str]] = [
    ({"codex_upstrem": "https://x"}, r"^There is no option codex_upstrem\. Known options: .*codex_upstream"),
    ({"codex_patch": "most"}, r"codex_patch='most'; allowed: full or store"),
    ({"codex_client_key": "[hidden by the proxy]"}, r"codex_client_key: only the placeholder of a hidden key is left"),
    ({"codex_auth_file": "/"}, r"codex_auth_file=/ is a folder"),
]


@pytest.mark.parametrize(
    ("options", "says"), WRONG, ids=[next(iter(row[0])) + "=" + next(iter(row[0].values())) for row in WRONG]
)
async def test_a_wrong_option_stops_the_start_with_a_sentence(options: dict[str, str], says: str, start: Start) -> None:
    proxy = await start(wait=False, **options)

    await proxy.logged(says)
    assert await proxy.ended() == 1
    assert "Traceback" not in proxy.log
    # Nothing was open, not even for a moment.
    assert "listening at" not in proxy.log


@pytest.mark.parametrize(
    "given", [("--set", "codex_patch=full", "--set", "codex_patch=store"), ("--set", "codex_patch")]
)
async def test_an_option_that_mitmproxy_would_drop_with_the_whole_addon_stops_the_start(
    given: tuple[str, ...], start: Start
) -> None:
    proxy = await start(*given, wait=False)

    await proxy.logged("codex_patch")
    assert await proxy.ended() == 1
    assert "listening at" not in proxy.log


async def test_a_missing_certificate_file_stops_the_start(start: Start) -> None:
    proxy = await start(wait=False, env={"SSL_CERT_FILE": "/not/there"})

    await proxy.logged("SSL_CERT_FILE=/not/there: there is no such file")
    assert await proxy.ended() == 1


async def test_large_bodies_are_not_streamed_past_the_patch(start: Start, login_file: Path) -> None:
    proxy = await start(codex_auth_file=login_file, stream_large_bodies="1k")

    await proxy.logged("stream_large_bodies is not followed")


async def test_a_mitmproxy_without_our_packages_says_what_to_install(tmp_path: Path) -> None:
    # mitmproxy's own packages, less ours: a folder of links to all the others.
    import mitmproxy

    site = Path(mitmproxy.__file__).parent.parent
    without = tmp_path / "site"
    without.mkdir()
    for entry in site.iterdir():
        if not entry.name.lower().startswith(("msgspec", "httpx2", "filelock", "jwt", "pyjwt")):
            (without / entry.name).symlink_to(entry)
    code = "import sys; from mitmproxy.tools.main import mitmdump; mitmdump(sys.argv[1:])"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(without)!r}); {code}",
        "-s", SCRIPT, "--mode", "reverse:https://chatgpt.com@127.0.0.1:0", "--set", f"confdir={tmp_path}",
        env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)

    said = out.decode()
    assert "codex.py needs packages that this mitmproxy does not have (filelock, httpx2, pyjwt, msgspec)" in said
    assert "pip install filelock httpx2 pyjwt msgspec" in said
    assert "Traceback" not in said
    assert process.returncode


@pytest.mark.parametrize("tool", ["mitmdump", "mitmweb"])
async def test_a_port_that_is_taken_is_told_with_who_has_it(tool: str, start: Start) -> None:
    port = free_port()
    mode = f"reverse:https://chatgpt.com@127.0.0.1:{port}"
    web = ("--no-web-open-browser", "--web-port", str(free_port())) if tool == "mitmweb" else ()
    first = await start(modes=(mode,))
    second = await start(*web, modes=(mode,), tool=tool, wait=False)
    await second.logged(rf"^A codex proxy already runs at 127\.0\.0\.1:{port}\. A free port: --port \d+ ")
    assert await second.ended() == 1
    await first.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        third = await start(*web, modes=(mode,), tool=tool, wait=False)
        await third.logged(rf"^Port {port} is taken, by .*\. A free port: --port \d+ ")
        assert await third.ended() == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the limits of another process")
async def test_it_may_have_more_open_files_than_it_was_given(start: Start) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        proxy = await start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE)[0] > 256
