"""What is made of the command line of scripts/serve, scripts/inspect and scripts/capture."""

import argparse
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mitmproxy.options import Options
from mitmproxy.tools.dump import DumpMaster
from mitmproxy.tools.web.master import WebMaster

import launch


@pytest.fixture
async def options() -> AsyncIterator[dict[str, Options]]:
    """With what the addons of mitmdump and mitmweb add to them."""
    masters = {"serve": DumpMaster(Options()), "inspect": WebMaster(Options())}
    yield {name: master.options for name, master in masters.items()} | {"capture": masters["serve"].options}
    for master in masters.values():
        master.addons.get("errorcheck").finish()
        await master.done()


def told(name: str, line: str, options: dict[str, Options], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        launch.read(name, options[name], line.split(), {})
    assert ended.value.code == 2
    return capsys.readouterr().err


MEANT = [
    ("serve", "9091", "scripts/serve --port 9091"),
    ("serve", ":9091", "scripts/serve --port 9091"),
    ("serve", "-- 9091", "scripts/serve --port 9091"),
    ("serve", "port 9091", "scripts/serve --port 9091"),
    ("serve", "port=9091", "scripts/serve --port 9091"),
    ("serve", "0.0.0.0:9091", "scripts/serve --host 0.0.0.0 --port 9091"),
    ("serve", "0.0.0.0 9091", "scripts/serve --host 0.0.0.0 --port 9091"),
    ("serve", "[::1]:9091", "scripts/serve --host ::1 --port 9091"),
    ("serve", "localhost", "scripts/serve --host localhost"),
    ("serve", "http://127.0.0.1:9091/", "scripts/serve --host 127.0.0.1 --port 9091"),
    ("serve", "https://x.example/codex", "scripts/serve --set codex_upstream=https://x.example/codex"),
    ("serve", "http://127.0.0.1:1/codex", "scripts/serve --set codex_upstream=http://127.0.0.1:1/codex"),
    ("serve", "codex_patch=store", "scripts/serve --set codex_patch=store"),
    ("serve", "codex-patch store", "scripts/serve --set codex_patch=store"),
    ("serve", "codex_dry_run", "scripts/serve --set codex_dry_run=…"),
    ("serve", "anticache", "scripts/serve --anticache"),
    ("serve", "socks5@1080", "scripts/serve --mode socks5@1080"),
    ("serve", "my_addon.py", "scripts/serve -s my_addon.py"),
    ("serve", "install", "scripts/serve --install"),
    ("serve", "--install 9091", "scripts/serve --install --port 9091"),
    ("serve", "9091 --print-unit", "scripts/serve --print-unit --port 9091"),
    ("serve", "--install -- 9091 -q", "scripts/serve --install --port 9091 …"),
    ("serve", "-s my_addon.py 9091", "scripts/serve --port 9091 …"),
    ("serve", "9091 --set codex_patch=store", "scripts/serve --port 9091 …"),
    ("serve", "-q 9091 -n", "scripts/serve --port 9091 …"),
    ("serve", "--prot 9091", "scripts/serve --port 9091"),
    ("serve", "--codex-patch=store", "scripts/serve --set codex_patch=store"),
    ("serve", "--codex_patch store", "scripts/serve --set codex_patch=store"),
    ("serve", "--set mode=regular@8080", "scripts/serve --mode regular@8080"),
    ("serve", "--set=listen_host=0.0.0.0", "scripts/serve --host 0.0.0.0"),
    ("serve", "--set listen_port=1", "scripts/serve --port 1"),
    ("serve", "--set server=false", "scripts/serve -n"),
    ("serve", "--set 9091", "scripts/serve --port 9091"),
    ("serve", "--set port=9091", "scripts/serve --port 9091"),
    ("inspect", "--set regular", "scripts/inspect --mode regular"),
    ("serve", "--host 0.0.0.0:80", "scripts/serve --host 0.0.0.0 --port 80"),
    ("serve", "--listen-host=9091", "scripts/serve --port 9091"),
    ("inspect", "9091", "scripts/inspect --port 9091"),
    ("inspect", "kept.flows", "scripts/inspect -r kept.flows"),
    ("inspect", "web_port 8082", "scripts/inspect --web-port 8082"),
    ("inspect", "--set web_port=8082", "scripts/inspect --web-port 8082"),
    ("capture", "nanobot call x", "scripts/capture -- nanobot call x"),
    ("capture", "--set codex_patch=store python -m x --port 1", "scripts/capture -- python -m x --port 1"),
    ("capture", "9091", "scripts/capture --port 9091"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "line", "meant"), MEANT, ids=[f"{name} {line}" for name, line, _ in MEANT])
def test_a_word_without_a_place_is_told_with_the_line_that_was_meant(
    name: str, line: str, meant: str, options: dict[str, Options], capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(name, line, options, capsys).endswith(f"Did you mean:\n  {meant}\n")


REFUSED = [
    ("serve", "~u.*responses", "save_stream_filter="), ("inspect", "~b", "view_filter="), ("serve", "-p", "expected one argument"),
    ("serve", "--port x", "invalid int value"), ("serve", "--port 65536", "a port is a number up to 65535"),
    ("serve", "-nfoo", "foo"), ("serve", "--nothing-like-it", "For help: scripts/serve --help"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "line", "says"), REFUSED)
def test_what_means_nothing_is_refused_as_well(
    name: str, line: str, says: str, options: dict[str, Options], capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in told(name, line, options, capsys)


OURS = "reverse:https://chatgpt.com@127.0.0.1:{}"
LISTENS: list[tuple[str, dict[str, str], list[str]]] = [
    ("", {}, [OURS.format(9090)]),
    ("", {"CODEX_PROXY_PORT": "9191"}, [OURS.format(9191)]),
    ("--port 8080", {"CODEX_PROXY_PORT": "9191"}, [OURS.format(8080)]),
    ("-p8080", {}, [OURS.format(8080)]),
    ("--listen-p=8080 -- -q", {}, [OURS.format(8080)]),
    ("--host [::1] --port=1", {}, ["reverse:https://chatgpt.com@::1:1"]),
    ("--listen-host 0.0.0.0", {}, ["reverse:https://chatgpt.com@0.0.0.0:9090"]),
    ("-msocks5", {}, ["socks5"]),
    ("--set codex_instructions=a.py --set theirs=b.py", {}, [OURS.format(9090)]),
    ("--mode=regular@1 --mode regular@2", {}, ["regular@1", "regular@2"]),
]


@pytest.mark.parametrize("name", ["serve", "inspect"])
@pytest.mark.parametrize(("line", "env", "modes"), LISTENS)
async def test_it_listens_as_ours_unless_a_mode_is_given(
    name: str, line: str, env: dict[str, str], modes: list[str], options: dict[str, Options]
) -> None:
    args = launch.read(name, options[name], line.split(), env)

    assert (args.mode, args.server, args.scripts) == (modes, True, [str(launch.SCRIPT)])
    # For a mode that names no address of its own.
    assert args.listen_host == {"--host": "::1", "--listen-host": "0.0.0.0"}.get(line.partition(" ")[0], "127.0.0.1")


def test_a_port_in_the_environment_that_is_none_is_named(
    options: dict[str, Options], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        launch.read("serve", options["serve"], [], {"CODEX_PROXY_PORT": "http"})
    assert "CODEX_PROXY_PORT=http is not a port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "listens"),
    [("-r F", False), ("--rfile=F", False), ("--set rfile=F", False), ("-r F --port 1", True), ("-r F -m regular@1", True), ("-n", False)],
)  # fmt: skip
@pytest.mark.parametrize("name", ["serve", "inspect"])
async def test_to_look_at_flows_nothing_listens(
    name: str, line: str, listens: bool, options: dict[str, Options]
) -> None:
    assert launch.read(name, options[name], line.split(), {}).server is listens


def page(args: argparse.Namespace) -> tuple[str, bool | None, list[str]]:
    return args.web_host, args.web_open_browser, args.setoptions


async def test_the_page_is_for_this_machine_and_opened_where_there_is_a_display(options: dict[str, Options]) -> None:
    columns = [f"web_columns={each}" for each in launch.COLUMNS]
    read = lambda line, **env: page(launch.read("inspect", options["inspect"], line.split(), env))  # noqa: E731

    assert read("", DISPLAY=":0") == ("127.0.0.1", None, columns)
    assert read("")[1] in (False, None)  # macOS has one
    assert read("--set web_columns=path --web-open-browser") == ("127.0.0.1", True, ["web_columns=path"])


async def test_the_log_says_less_of_each_flow_unless_asked(options: dict[str, Options]) -> None:
    read = lambda line: launch.read("serve", options["serve"], line.split(), {}).flow_detail  # noqa: E731
    assert [read(""), read("--flow-detail 2"), read("--set flow_detail=3")] == [0, 2, None]


def test_every_own_script_of_the_table_is_there() -> None:
    folder = Path(launch.__file__).parent
    assert [name for name in launch.USAGE if not (folder / name).exists()] == []
