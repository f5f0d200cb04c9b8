"""Write the tables of error codes and options in README.md, docs/errors.md and docs/options.md from the proxy's own tables.

Usage: python scripts/tables.py [--check]
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "addon"))

from codex_proxy.error_codes import GROUPS, Code, Group  # noqa: E402
from codex_proxy.walk.options import OPTIONS  # noqa: E402

PAGES = ("README.md", "docs/errors.md", "docs/options.md")

# The rows that the README shows.
FIRST_ERRORS = (
    "login_missing", "refresh_token_reused", "usage_limit_reached", "model_not_found", "cloudflare_challenge",
)  # fmt: skip
FIRST_OPTIONS = ("codex_model_map", "codex_model_default", "codex_effort", "codex_auth_file", "codex_client_key")

# The text between these two lines of a page is generated.
MARKED = re.compile(r"(<!-- table: ([a-z ]+) -->\n).*?(<!-- end of table -->)", re.S)

SPECIAL = re.compile(r"[|*~<]")


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def errors() -> str:
    return "\n\n".join(f"## {group.title}\n\n{group.about}\n\n{_codes(group)}" for group in GROUPS)


def _codes(group: Group) -> str:
    rows = [[f"`{code}`", status(row), row.meaning, row.remedy] for code, row in group.codes.items()]
    return table(["code", "status", "what happened", "what to do"], rows)


def status(row: Code) -> str:
    return ", ".join(map(str, row.statuses)) + (" or the backend's own" if row.own_status else "")


def first_errors() -> str:
    found = {code: (group, row) for group in GROUPS for code, row in group.codes.items()}
    rows = [
        [f"[`{code}`](docs/errors.md#{anchor(group.title)})", status(row), row.meaning, row.remedy]
        for code, (group, row) in ((code, found[code]) for code in FIRST_ERRORS)
    ]
    return table(["code", "status", "what happened", "what to do"], rows)


def anchor(title: str) -> str:
    """Of a heading, as GitHub makes it."""
    return re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-")


def options() -> str:
    return table(
        ["option", "default", "meaning"], [[f"`{o.name}`", default(o.default), plain(o.help)] for o in OPTIONS]
    )


def first_options() -> str:
    known = {option.name: option for option in OPTIONS}
    rows = [
        [f"[`{o.name}`](docs/options.md)", default(o.default), plain(o.help)]
        for o in (known[name] for name in FIRST_OPTIONS)
    ]
    return table(["option", "default", "meaning"], rows)


def default(value: Any) -> str:
    if value in ("", []):
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def plain(text: str) -> str:
    """Plain text, escaped for Markdown."""
    return SPECIAL.sub(lambda sign: "\\" + sign[0], text)


TABLES: dict[str, Callable[[], str]] = {
    "errors": errors,
    "options": options,
    "first errors": first_errors,
    "first options": first_options,
}


def written(page: str) -> str:
    """A page with up-to-date tables. Raises KeyError for a table that is not known."""
    return MARKED.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n\n{found[3]}", page)


def stale() -> list[str]:
    """The pages that are not up to date."""
    return [name for name in PAGES if written(text := (ROOT / name).read_text("utf-8")) != text]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; the exit status is 1 where a page is not up to date"
    )
    args = parser.parse_args()
    found = stale()
    for name in found:
        if args.check:
            print(f"{name} is not up to date. Run: python scripts/tables.py", file=sys.stderr)
        else:
            path = ROOT / name
            path.write_text(written(path.read_text("utf-8")), "utf-8")
            print(f"{name} written.")
    sys.exit(bool(args.check and found))


if __name__ == "__main__":
    main()
