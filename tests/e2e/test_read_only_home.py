"""A home that can't be written, as that of a container with a read-only root."""

from pathlib import Path

import pytest

from free_port import free_port
from standin import Standin

from ..small_disk import make_read_only, small_disk
from .a_script import begin
from .harness import QUESTION, Proxy, new_client, write_login


@pytest.mark.parametrize("name", ["serve", "inspect"])
async def test_the_proxy_works_and_says_what_it_can_not_keep(name: str, standin: Standin, tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    login = write_login(tmp_path / "volume" / "auth.json", standin.login())
    port = free_port()
    with small_disk(tmp_path / "home", "1m") as home:
        make_read_only(home)
        sets = {"codex_auth_file": login, "codex_upstream": standin.upstream, "codex_issuer": standin.issuer}
        options = [part for option, value in sets.items() for part in ("--set", f"{option}={value}")]
        command = ["launch.py", name, "--port", str(port), *options]
        if name == "inspect":
            command += ["--web-port", str(free_port())]
        proxy = Proxy(await begin(home, *command, TMPDIR=str(tmp_path / "volume")), command)
        try:
            await proxy.logged("requests go to")
            proxy.ports = [port]
            async with new_client(proxy) as client:
                assert (await client.get("/healthz")).status_code == 200
                assert (await client.post("/responses", json=QUESTION)).status_code == 200
        finally:
            await proxy.stop()

    assert f"{home}/.mitmproxy can't be written to: mitmproxy's certificates are made in " in proxy.log
    assert "Traceback" not in proxy.own_log
    # What was made elsewhere is gone with it.
    assert not list((tmp_path / "volume").glob("codex-proxy-*"))
