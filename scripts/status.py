"""Show whose login it is, where it comes from, how long it is valid, and how much usage is left."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import httpx2

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "addon"))

import status_text
import terminal
from codex_proxy import defaults
from codex_proxy.account import credentials, login_source
from codex_proxy.backend import calls as backend_calls
from codex_proxy.backend.calls import BackendCalls
from codex_proxy.errors import ProxyError
from codex_proxy.net import policy, upstream
from codex_proxy.printable import in_json
from codex_proxy.status import probe, usage_api
from codex_proxy.status.account_state import AccountState
from command_line import Parser
from ctrl_c import stop_as_by_ctrl_c
from terminal import err

EXAMPLES = """\
The login is that of the proxy: --auth-file, else one in the environment, else $CODEX_HOME/auth.json or ~/.codex/auth.json.
A token that is about to end is renewed, as the proxy would do it. The usage is what the running proxy has seen of it; if
none runs or it has seen nothing yet, the backend is asked, which uses up nothing.

Exit status: 0 logged in, 1 not logged in or the login can't be read, 2 wrong arguments, 3 the login has expired or is
refused, 4 a usage limit is reached, 5 the backend or the OAuth server can't be reached; with --probe also 6, something
about the backend has changed.

Examples:
  scripts/status
  scripts/status --json | jq '.usage.windows[] | {window, used_percent}'
  scripts/status --probe        does the backend still behave as the proxy expects? For a bug report.
  scripts/status --probe=all    and does it still refuse everything that the proxy removes?
"""

# How long the proxy may be silent, in seconds.
PROXY_PATIENCE = 2.0

# A probe is a short question; its answer should not take an hour.
SHORT_TURN = policy.TURN._replace(silence=120.0, total=600.0)

log = logging.getLogger("status")


class ToTheTerminal(logging.Handler):
    """Log lines on standard error, without the login's identity."""

    def __init__(self, state: AccountState) -> None:
        super().__init__()
        self.state = state

    def emit(self, record: logging.LogRecord) -> None:
        err.print(self.state.said(record.getMessage()))


def arguments() -> argparse.Namespace:
    parser = Parser(
        prog="scripts/status", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )  # fmt: skip
    terminal.add_auth_file(parser)
    parser.add_argument("--json", action="store_true", help="for scripts: one JSON object on standard output")
    parser.add_argument("--full", action="store_true", help="show e-mail and account in full instead of shortened")
    parser.add_argument(
        "--probe", nargs="?", const="one", choices=("one", "all"), metavar="all",
        help="send a minimal request, and report what of the backend is as expected; all: also one request for each thing it refuses",
    )  # fmt: skip
    parser.add_argument("--yes", action="store_true", help="probe without asking")
    parser.add_argument("--model", default="", help="the model to probe; by default the first of the account's list")
    terminal.add_proxy(parser)
    parser.add_argument("--upstream", metavar="URL", default=defaults.UPSTREAM, help="the backend (%(default)s)")
    terminal.add_server(parser)
    parser.add_argument(
        "--client-version", metavar="VERSION", default=defaults.CLIENT_VERSION,
        help="for the list of models (%(default)s); with --probe an older one shows which models a newer version would add",
    )  # fmt: skip
    parser.add_argument("--verbose", action="store_true", help="log each step, without secrets")
    args = parser.read()
    terminal.check_server(parser, args, "upstream", "issuer")
    if args.probe and not args.yes and not terminal.is_terminal():
        parser.error("--probe uses a few tokens; to do so without a question: --yes")
    return args


def main() -> int:
    args = arguments()
    stop_as_by_ctrl_c()
    state = AccountState(login_source.locate(str(args.auth_file or ""), os.environ, Path.home()))
    logging.basicConfig(level=logging.WARNING, handlers=[ToTheTerminal(state)])
    log.setLevel(logging.INFO if args.verbose else logging.WARNING)
    asyncio.run(unhurried(state, args))
    if args.json:
        print(in_json(json.dumps(state.json(args.full), indent=2, ensure_ascii=False)))
    else:
        status_text.show(state, args)
        if state.login and (about := credentials.KINDS[state.whose.kind].about):
            err.print(about)
    if state.error:
        err.print(state.said(state.error.message, args.full))
    return state.exit_status


async def unhurried(state: AccountState, args: argparse.Namespace) -> None:
    """As `find_out`, but to be stopped only after a renewal that is under way: a refresh token works once, so what the
    server answers has to be kept. A second Ctrl-C does not wait."""
    task = asyncio.current_task()
    assert task
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) != signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(ending, task.cancel)
    try:
        await find_out(state, args)
        if writing := asyncio.all_tasks() - {task}:
            await asyncio.wait(writing)  # which has been told, and why it is not done yet
    except asyncio.CancelledError:
        if renewing := asyncio.all_tasks() - {task}:
            log.warning("The token is being renewed; waiting for it.")
            await asyncio.wait(renewing)
        raise


async def find_out(state: AccountState, args: argparse.Namespace) -> None:
    """Fill `state` as far as that can be done."""
    store = backend_calls.token_store(state.file, args.issuer, args.originator)
    try:
        state.take_document(state.file.load())
        # The login is described even if it turns out to be useless.
        state.login = store.look_now()
        log.info("There is a login; checking its token.")
        state.login = await store.fresh()
        state.take_document(state.file.load())
        calls = BackendCalls(args.upstream, args.originator, store)
        await (try_out if args.probe else ask_usage)(state, calls, args)
    except ProxyError as e:
        state.error = e


async def ask_usage(state: AccountState, calls: BackendCalls, args: argparse.Namespace) -> None:
    """From the running proxy if it knows, else from the backend. Raises ProxyError."""
    assert state.login
    left = None if state.login.expires_at is None else state.login.seconds_left(calls.store.time())
    page = await page_of_proxy(args.url)
    state.report = usage_api.seen_by_proxy(page, upstream.parse(args.upstream).url, left)
    if state.report:
        state.report_from = "proxy"
        log.info(f"The proxy at {args.url} uses this login, and knows its usage.")
        return
    log.info(f"No proxy at {args.url} knows the usage of this login; asking the backend.")
    url = usage_api.usage_url(args.upstream)
    answer = await calls.get(url, policy.DOCUMENT)
    if answer.status == 404:
        log.warning(f"The backend has no {url}: the remaining usage is not known.")
    elif answer.status != 200:
        raise backend_calls.problem(answer, state.file.remedy)
    else:
        state.report, state.report_from = usage_api.read(answer.body, time.time()), "backend"


async def page_of_proxy(url: str) -> Any:
    """`GET /` of the proxy; None if none runs there."""
    headers = {"authorization": f"Bearer {os.environ.get('OPENAI_API_KEY') or 'dummy'}"}
    try:
        async with httpx2.AsyncClient(timeout=PROXY_PATIENCE, trust_env=False) as client:
            return (await client.get(url, headers=headers)).json()
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError):
        return None


async def try_out(state: AccountState, calls: BackendCalls, args: argparse.Namespace) -> None:
    """Real requests, after the user said yes. Raises ProxyError if the backend's answer can't be assessed."""
    base = upstream.parse(args.upstream).url
    listed = await calls.get(f"{base}/models?client_version={args.client_version}", policy.DOCUMENT)
    models, state.findings = probe.catalogue(listed, args.client_version)
    above = listed
    if args.client_version != defaults.CLIENT_VERSION:
        above = await calls.get(f"{base}/models?client_version={defaults.CLIENT_VERSION}", policy.DOCUMENT)
        state.findings.append(probe.newer(listed, above, args.client_version))
    state.findings += probe.unlisted(listed)
    state.findings.append(
        probe.usage_document(await calls.get(usage_api.usage_url(base), policy.DOCUMENT), time.time())
    )
    model = args.model or next(iter(models), "")
    if not model and listed.status != 200:
        raise backend_calls.problem(listed, state.file.remedy)
    if not model:
        log.warning("The list of models could not be fetched; name a model with --model.")
        return
    trials = list(probe.trials(model)) if args.probe == "all" else []
    if not (args.yes or agreed(model, len(trials))):
        return
    answer = await calls.post(f"{base}/responses", probe.usual(model), SHORT_TURN)
    # A turn says no version, so its mark is that of the newest list.
    state.findings += probe.turn(answer, model, above.header("etag"))
    if answer.status == 400:
        return  # which is a finding in itself
    if answer.status != 200:
        raise backend_calls.problem(answer, state.file.remedy)
    for number, trial in enumerate(trials, 1):
        log.info(f"{number} of {len(trials)}: {trial.name}")
        answer = await calls.post(f"{base}/responses", trial.body, SHORT_TURN)
        state.findings.append(probe.judge(trial, answer))
        if answer.status in (401, 403, 429):
            raise backend_calls.problem(answer, state.file.remedy)


def agreed(model: str, trials: int) -> bool:
    err.print(f"A short question is sent to {model}, which uses a few tokens of the subscription.")
    if trials:
        err.print(
            f"Then {trials} requests that the backend should refuse; any that it accepts use a few tokens as well."
        )
    yes = terminal.agrees("Send them? [y/N] ")
    if not yes:
        err.print("Nothing has been sent.")
    return yes


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, asyncio.CancelledError):
        err.print("\nStopped.")
        sys.exit(130)
