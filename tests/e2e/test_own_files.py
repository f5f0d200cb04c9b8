"""What flows are saved to is for its owner alone, whatever the umask is and whatever was there before."""

import json
import os
import stat
import time
from pathlib import Path

import httpx2

from free_port import free_port
from standin import Standin

from .harness import PATIENCE, QUESTION, Start, new_client


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_saved_flows_are_for_their_owner_alone(
    start: Start, standin: Standin, login_file: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old.flows"
    old.write_bytes(b"")
    old.chmod(0o644)
    before = os.umask(0)  # which the proxy is given
    try:
        for name, option in (("new", "new.flows"), ("old", "+old.flows"), ("by time", "sub/%Y.flows")):
            proxy = await start(
                "-w", str(tmp_path / option) if not option.startswith("+") else f"+{tmp_path / option[1:]}",
                codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=login_file,
                hardump=tmp_path / f"{name}.har",
            )  # fmt: skip
            saved = tmp_path / time.strftime(option.removeprefix("+"))
            assert mode(saved) == 0o600, name  # before anything is in it
            async with new_client(proxy) as client:
                assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200
            await proxy.stop()
            assert mode(saved) == 0o600 and saved.stat().st_size, name
            assert mode(tmp_path / f"{name}.har") == 0o600 and json.loads((tmp_path / f"{name}.har").read_text())
        # As mitmproxy makes it: others have to be able to trust it.
        assert mode(tmp_path / "mitmproxy" / "mitmproxy-ca-cert.pem") & stat.S_IROTH
    finally:
        os.umask(before)


async def test_what_is_saved_by_a_command_is_too(
    start: Start, standin: Standin, login_file: Path, tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        proxy = await start(
            "--no-web-open-browser", "--web-port", str(free_port()), tool="mitmweb", web_password="letmein",
            codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=login_file,
        )  # fmt: skip
    finally:
        os.umask(before)
    async with new_client(proxy) as client:
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200
    found = await proxy.logged(r"Web server listening at (http://\S+?)/?(\?\S+)?$")
    async with httpx2.AsyncClient(base_url=found.group(1), trust_env=False, timeout=PATIENCE) as viewer:
        await viewer.get("/", params={"token": "letmein"})
        viewer.headers["x-xsrftoken"] = "ab" * 16
        viewer.cookies.set("_mitmproxy_xsrf", "ab" * 16)
        for name, command, arguments in (
            ("flows", "save.file", ["@all", str(tmp_path / "flows")]),
            ("har", "save.har", ["@all", str(tmp_path / "har")]),
        ):
            assert "error" not in (await viewer.post(f"/commands/{command}", json={"arguments": arguments})).json()
            assert mode(tmp_path / name) == 0o600
