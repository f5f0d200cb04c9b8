"""The page that the browser shows after a login; it loads nothing and links nowhere."""

import html
from dataclasses import dataclass
from http import HTTPStatus

# No script, no picture, no frame around it; and the address, which contains the code, is sent nowhere.
HEADERS = """\
content-type: text/html; charset=utf-8
content-security-policy: default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'
referrer-policy: no-referrer
x-content-type-options: nosniff
cache-control: no-store
allow: GET
connection: close
"""

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
  :root {{ color-scheme: light dark; }}
  body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 18vh auto 0; padding: 0 1.5rem; }}
  h1 {{ font-size: 1.6rem; border-left: .3rem solid {colour}; padding-left: .8rem; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{text}</p>
</main>
</body>
</html>
"""


@dataclass(frozen=True)
class Page:
    """Plain text; both texts are escaped when the page is made."""

    title: str
    text: str
    good: bool = False

    def __str__(self) -> str:
        colour = "#2a8a4a" if self.good else "#c0392b"
        return PAGE.format(title=html.escape(self.title), text=html.escape(self.text), colour=colour)


def done(whose: str) -> Page:
    return Page(
        "You are logged in",
        f"The login of {whose} is saved. You can close this page and go back to the terminal.",
        True,
    )


def failed(why: str) -> Page:
    return Page("The login did not work", why)


NOTHING_HERE = Page("Nothing here", "This address is only for the redirect of a login.")
NOT_OURS = Page(
    "Not the login that is waiting",
    "This page belongs to another login than the one that is waiting in the terminal. Open the address that the terminal"
    " shows, and log in there.",
)
USED = Page("This login was completed already", "A login works once. To log in again, start it in the terminal again.")


def answer(status: int, page: Page, method: str = "GET") -> bytes:
    """The whole answer on the wire."""
    body = str(page).encode()
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\n{HEADERS}content-length: {len(body)}\n\n"
    return head.replace("\n", "\r\n").encode() + (b"" if method == "HEAD" else body)
