import base64
import hashlib
import re

import pytest

from codex_proxy.front import status_page

TEXT = status_page.HTML.decode()

CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        (CHROMIUM, True),
        ("text/html", True),
        ("TEXT/HTML;q=0.5", True),
        ("text/html, application/json;q=0.9", True),
        ("", False),
        ("*/*", False),
        ("text/*", False),
        ("application/json", False),
        ("application/json, text/html;q=0.9", False),
        ("application/json, text/plain, */*", False),
        ("text/html;q=0", False),
        ("text/html-sandboxed", False),
        ("text/html;q=odd", True),
        (",;,=;q", False),
    ],
)
def test_html_is_for_who_names_it_first(accept: str, html: bool) -> None:
    assert status_page.wanted(accept) is html


@pytest.mark.parametrize("tag", ["style", "script"])
def test_the_policy_has_the_hash_of_what_is_in_the_file_and_of_nothing_else(tag: str) -> None:
    inside = re.findall(f"<{tag}[^>]*>(.*?)</{tag}>", TEXT, re.S)
    wanted = [f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in inside]
    rules = dict(rule.strip().split(" ", 1) for rule in status_page.POLICY.split(";"))

    assert len(wanted) == 1 and rules[f"{tag}-src"].split() == wanted


def test_the_policy_lets_nothing_else_in() -> None:
    rules = dict(rule.strip().split(" ", 1) for rule in status_page.POLICY.split(";"))
    assert rules.pop("style-src") and rules.pop("script-src")
    assert rules == {
        "default-src": "'none'",
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def test_the_page_names_no_other_host() -> None:
    icon = "http:%2F%2Fwww.w3.org/2000/svg"  # the name of a language, asked of nobody
    assert re.findall(r"(?:https?:|wss?:)?//[\w.]+\.\w+", TEXT.replace(icon, "")) == []
    assert re.findall(r"<(?:link|img|iframe|object|embed|base|form|meta http-equiv)\b[^>]*>", TEXT) == re.findall(
        r'<link rel="icon" href="data:[^>]*>', TEXT
    )


def test_the_page_makes_nothing_of_text_but_text() -> None:
    script = re.findall(r"<script>(.*?)</script>", TEXT, re.S)[0]
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval",
        "Function(",
        "srcdoc",
        "DOMParser",
    ):
        assert way not in script
    # Neither has it an inline handler or style, which the policy would stop.
    assert re.findall(r"<[^>]+\s(?:on\w+|style)=", TEXT.partition("<script>")[0]) == []


def luminance(colour: str) -> float:
    full = colour[1:] if len(colour) == 7 else "".join(2 * letter for letter in colour[1:])
    parts = [int(full[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


SCHEMES = [dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in re.findall(r":root \{(.*?)\}", TEXT, re.S)]


@pytest.mark.parametrize("colours", SCHEMES, ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground", "least"),
    [
        ("text", "card", 4.5), ("text", "ground", 4.5), ("text", "code", 4.5), ("text", "bad-ground", 4.5),
        ("quiet", "card", 4.5), ("quiet", "ground", 4.5), ("on-accent", "accent", 4.5),
        ("good", "good-ground", 4.5), ("warn", "warn-ground", 4.5), ("bad", "bad-ground", 4.5),
        ("good", "track", 3), ("warn", "track", 3), ("bad", "track", 3), ("accent", "card", 3),
    ],
)  # fmt: skip
def test_everything_can_be_read(colours: dict[str, str], text: str, ground: str, least: float) -> None:
    # WCAG 2.2, 1.4.3 and 1.4.11.
    light, dark = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= least


def test_both_schemes_have_the_same_colours() -> None:
    assert [len(SCHEMES), SCHEMES[0].keys()] == [2, SCHEMES[1].keys()]
