"""The text that `scripts/status` prints: bars in a terminal, plain text elsewhere."""

import argparse
import os
import platform
import time
from pathlib import Path

from rich.text import Text

import terminal
from codex_proxy import __version__
from codex_proxy.account import login_source
from codex_proxy.account.identity import printable
from codex_proxy.account.login import Login
from codex_proxy.backend import usage_windows
from codex_proxy.backend.usage_windows import Window
from codex_proxy.status.account_state import AccountState, instant
from codex_proxy.status.usage_api import Report

# Percent from which a bar is yellow, and red.
NARROW, CLOSE = 80, 95
WIDTH = 24

out = terminal.console()


def show(state: AccountState, args: argparse.Namespace) -> None:
    """Everything but the error, which goes to standard error."""
    if state.findings:
        show_findings(state, args)
    elif state.login:
        show_login(state, state.login, args.full)
        if state.report:
            show_usage(state.report, f"as seen by the proxy at {args.url}" if state.report_from == "proxy" else "")


def show_login(state: AccountState, login: Login, full: bool) -> None:
    whose, now = state.whose, time.time()
    who = f"{whose.email} ({whose.plan}, account {whose.account_id})" if full else str(whose)
    usable = state.exit_status not in (1, 3)
    out.print(f"{'Logged in as' if usable else 'The login of'} {printable(who)}", style="bold")
    line("Login from", login_source.place(state.file, os.environ, Path.home()))
    line("Token", validity(login, now))
    if state.refreshed_at is not None:
        past = int(now - state.refreshed_at)
        ago = f"{usage_windows.span(past)} ago" if past >= 60 else "just now"
        line("Renewed", f"{usage_windows.local_time(state.refreshed_at, now)} ({ago})")


def validity(login: Login, now: float) -> str:
    if login.expires_at is None:
        return "valid until it is revoked"
    left = login.expires_at - now
    if left <= 0:
        return f"ended {usage_windows.local_time(login.expires_at, now)}"
    then = "renewed automatically" if login.refresh_token else "not renewed, because there is no refresh token"
    until = usage_windows.local_time(login.expires_at, now).removeprefix("at ").removeprefix("on ")
    return f"good until {until} (in {usage_windows.span(int(left))}), {then}"


def show_usage(report: Report, seen: str) -> None:
    now = time.time()
    line("Usage", seen or "as reported by the backend")
    wide = max((len(one.name) for one in report.windows), default=0)
    for one in report.windows:
        out.print(
            f"  {printable(one.name):{wide}}  ", bar(one.used), f"  {one.used:4g} % used{reset(one, now)}", sep=""
        )
    if not report.windows:
        line("", "no windows are reported")
    if report.credits:
        line("Credits", printable(str(report.credits)))
    if report.resets_left:
        line("Resets", f"{report.resets_left} left: each resets the windows at once, in ChatGPT's Codex settings")
    if report.reached:
        only = (
            f"Only {printable(' and '.join(report.still))} may still answer"
            if report.still
            else "No more requests are answered"
        )
        out.print(f"{only} at the moment: {printable(report.reached)}.", style="red")


def bar(used: float) -> Text:
    share = min(100.0, max(0.0, used))
    filled = round(share * WIDTH / 100)
    if not out.is_terminal:
        return Text(f"[{'#' * filled}{'-' * (WIDTH - filled)}]")
    colour = "red" if share >= CLOSE else "yellow" if share >= NARROW else "green"
    return Text("█" * filled, style=colour).append("░" * (WIDTH - filled), style="dim")


def reset(window: Window, now: float) -> str:
    if window.resets_at is None:
        return ""
    left = max(0, int(window.resets_at - now))
    return f", resets {usage_windows.local_time(window.resets_at, now)} (in {usage_windows.span(left)})"


def show_findings(state: AccountState, args: argparse.Namespace) -> None:
    """Text for a bug report."""
    python = f"Python {platform.python_version()} on {platform.system()}"
    out.print(f"Probe of {instant(time.time())}: codex proxy {__version__}, {python}", style="bold")
    out.print(
        f"backend {args.upstream}, originator {args.originator}, plan {printable(state.whose.plan or 'not known')}"
    )
    for verdict, what, text in state.findings:
        # So that it is seen without colour as well.
        shown = "CHANGED" if verdict == "changed" else verdict
        style = {"changed": "red", "unknown": "yellow"}.get(verdict)
        out.print(state.said(f"{shown:11}{what}: {text}"), style=style)


def line(label: str, text: str) -> None:
    out.print(f"{label:11}{text}")
