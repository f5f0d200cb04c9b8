"""The report over a client's captured requests: what it sends, what would happen to each part, and whether it works."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..files import atomic as atomic_files
from ..front import routes
from ..models import dated_list
from . import assessment
from . import folder as capture_folder
from .assessment import Assessment
from .folder import Document

# The day up to which docs/backend.md goes.
AS_OF = "2026-11-28"

# What begins a link, a picture or HTML (CommonMark, sections 6.3 to 6.6).
MARKUP = re.compile(r"[\[<]")


@dataclass
class Report:
    verdict: str
    markdown: str


def write(folder: Path) -> Report:
    """The report of all captures in a folder, left there as report.md. Raises OSError."""
    report = make(capture_folder.read(folder))
    atomic_files.replace(folder / "report.md", report.markdown.encode())
    return report


def make(documents: Sequence[Document]) -> Report:
    looked = [assessment.look(document) for document in documents]
    sentence = f"{verdict(looked)}, by docs/backend.md as of {AS_OF}."
    sections = [
        f"# What this client sends\n\n**{plain(sentence)}**",
        overview(looked),
        section("Requests that fail", failures(looked)),
        section("Not known", unknowns(looked)),
        section("Fields", fields(looked)),
        section("Headers", headers(looked)),
        section("Tools", tools(looked)),
        section("Input", input_kinds(looked)),
    ]
    return Report(sentence, "\n\n".join(each for each in sections if each) + "\n")


def verdict(looked: Sequence[Assessment]) -> str:
    """The verdict: works as it is, works with the patch, or will fail and why. A model that is not listed may be new."""
    counted = [one for one in looked if not is_beside(one, looked)]
    if not counted:
        return "Nothing to assess: the client asked for no answer"
    reasons = list(dict.fromkeys(one.failure for one in counted if one.failure))
    if reasons:
        failing = sum(bool(one.failure) for one in counted)
        said = [f"{failing} of {len(counted)} requests"] if failing < len(counted) else []
        said += [f"{len(reasons) - 1} more below"] if len(reasons) > 1 else []
        return f"Will fail: {line(reasons[0]).rstrip('.')}" + (f" ({', '.join(said)})" if said else "")
    changed = any(one.is_changed for one in counted) or assessment.reads_last(looked)[0] == "yes"
    unlisted = ", ".join(dict.fromkeys(one.unlisted for one in counted if one.unlisted))
    condition = f", if the account has {line(unlisted)} ({dated_list.NOT_LISTED})" if unlisted else ""
    return ("Works with the patch" if changed else "Works as it is") + condition


def is_beside(one: Assessment, looked: Iterable[Assessment]) -> bool:
    """Requests that nothing depends on: a look at the proxy's own pages, a WebSocket tried before HTTP."""
    path = routes.canonical(one.path)
    if path in ("/", "/healthz") or (path in ("/models", "/models/{id}") and not one.failure):
        return True
    return one.method == "GET" and path == "/responses" and any(other.is_turn for other in looked)


def overview(looked: Sequence[Assessment]) -> str:
    agents = Counter(header(one.document, "user-agent") or "(none)" for one in looked)
    forms = Counter(f"{one.method} {one.path}" for one in looked)
    turns = [one for one in looked if one.is_turn]
    streams = Counter("yes" if one.body.get("stream") is True else "no" for one in turns)
    names = Counter(str(one.body.get("model")) for one in turns if "model" in one.body)
    size = max(((one.document.get("sent") or {}).get("body_bytes") or 0 for one in looked), default=0)
    last, how = assessment.reads_last(looked)
    return table(
        ("", ""),
        [
            ("client", listed(agents)),
            ("requests", f"{len(looked)}, the largest body {size:,} bytes"),
            ("paths", listed(forms)),
            ("streaming", listed(streams) or "the client asked for no answer"),
            ("models", listed(names) or "none"),
            ("reads `response.completed`", f"{last}: {how}"),
        ],
    )


def failures(looked: Sequence[Assessment]) -> str:
    reasons = Counter((f"{one.method} {routes.bare(one.path)}", one.failure) for one in looked if one.failure)
    return table(("came", "request", "why"), [(str(n), *key) for key, n in reasons.items()])


def unknowns(looked: Sequence[Assessment]) -> str:
    found = Counter(each for one in looked for each in set(one.unknown))
    rows = [(what, str(n)) for what, n in found.items()]
    about = "It is not known whether the backend accepts these.\n\n"
    return about + table(("what", "requests"), rows) if rows else ""


def fields(looked: Sequence[Assessment]) -> str:
    turns = [one for one in looked if one.is_turn and one.fates]
    rows = []
    names = dict.fromkeys(name for one in turns for name in one.fates)
    for name in sorted(names, key=lambda name: all(name not in one.body for one in turns)):
        came = sum(name in one.body for one in turns)
        counts = Counter(fate for one in turns for fate in dict.fromkeys(one.fates.get(name, ())))
        for number, (fate, times) in enumerate(counts.items()):
            many = f" (x{times})" if len(counts) > 1 else ""
            what = fate.what + (f": {fate.how}" if fate.how else "") + many
            first = number == 0
            rows.append((name if first else "", f"{came} of {len(turns)}" if first else "", what, fate.why))
    return table(("field", "came", "what happens to it", "why"), rows)


def headers(looked: Sequence[Assessment]) -> str:
    counts = Counter(
        name.lower()
        for one in looked
        for name in dict.fromkeys(n.lower() for n, _ in one.document.get("headers") or [])
    )
    decided: dict[str, tuple[str, str]] = {}
    for one in looked:
        for name, what, why in assessment.header_fates(one.document):
            decided.setdefault(name, (what, why))
    rows = [(name, f"{n} of {len(looked)}", *decided[name]) for name, n in counts.items()]
    return table(("header", "came", "what happens to it", "why"), rows)


def tools(looked: Sequence[Assessment]) -> str:
    counts: Counter[tuple[str, str, str]] = Counter()
    for one in looked:
        for tool in assessment.objects(one.body.get("tools")):
            counts[(*assessment.tool_name(tool), assessment.tool_fate(tool) if one.is_turn else "")] += 1
    return table(("tool", "type", "came", "what happens to it"), [(n, t, str(c), f) for (n, t, f), c in counts.items()])


def input_kinds(looked: Sequence[Assessment]) -> str:
    """Types of items, with roles and content parts."""
    counts: Counter[str] = Counter()
    for one in looked:
        if isinstance(one.body.get("input"), str):
            counts["a string, not a list"] += 1
        for item in [*assessment.objects(one.body.get("input")), *assessment.objects(one.body.get("messages"))]:
            role = f" of {item['role']}" if item.get("role") else ""
            counts[(assessment.kind_of(item) or "(no type)") + role] += 1
            for part in assessment.objects(item.get("content")):
                counts[f"content part {part.get('type')}{role}"] += 1
    return table(("item", "came"), [(what, str(n)) for what, n in sorted(counts.items())])


def header(document: Document, name: str) -> str:
    return next((value for each, value in document.get("headers") or [] if each.lower() == name), "")


def listed(counts: Counter[str]) -> str:
    return ", ".join(f"{what} (x{n})" if len(counts) > 1 else what for what, n in counts.most_common())


def section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}" if text else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown with straight columns, so that a terminal shows it as well; empty without rows."""
    if not rows:
        return ""
    cells = [[_cell(text) for text in row] for row in (head, *rows)]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    # The last column may be long, and is not filled up.
    widths[-1] = min(widths[-1], max(3, len(cells[0][-1])))
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return plain(line(text)).replace("|", "\\|")


def plain(text: str) -> str:
    """Without what Markdown makes links, pictures and HTML of; a client's words may be in it."""
    return MARKUP.sub(r"\\\g<0>", text)


def line(text: str, limit: int = 400) -> str:
    """One line, with nothing in it that a terminal would follow."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
