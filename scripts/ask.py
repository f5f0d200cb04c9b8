"""One question to the proxy that runs, the answer printed as it comes; or a captured request once more."""

import argparse
import base64
import functools
import json
import mimetypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "addon"))

from codex_proxy.answer import sse
from codex_proxy.capture import capture_file
from codex_proxy.redact import HIDDEN

EXAMPLES = """\
The key that goes with it is $OPENAI_API_KEY, if it is set; the proxy wants one only if it has a codex_client_key.
Exit status: 0 for a whole answer, 1 for an error, 2 for wrong arguments.

Examples:
  scripts/ask 'How high is Galdhøpiggen?'
  git diff | scripts/ask --effort high 'Is there a mistake in this change?'
  scripts/ask --file chart.png --file table.csv 'Does the chart show what is in the table?'
  scripts/ask --json 'How high is Galdhøpiggen?' | jq .usage
  scripts/ask --capture captures/0001.json
"""

# Of a captured request's headers those that belong to its first connection and form.
NOT_AGAIN = frozenset(
    "host connection content-length transfer-encoding content-encoding accept-encoding expect".split()
)

IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
PDF = "application/pdf"

# How long the proxy may be silent, in seconds; it has time-outs of its own for the backend.
SILENCE = 600.0


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def captured(file: Path) -> Request:
    """The request in a file of `scripts/capture`, with what was cut out of it; its secrets are gone. Raises ValueError, OSError."""
    document = json.loads(file.read_bytes())
    if not isinstance(document, dict) or "request_line" not in document:
        raise ValueError("it holds no captured request")
    method, path = document["request_line"].split()[:2]
    headers = {name: value for name, value in document["headers"] if HIDDEN not in value}
    kept = {name: value for name, value in headers.items() if name.lower() not in NOT_AGAIN}
    return Request(method, path.replace(HIDDEN, ""), kept, capture_file.restored(document, file.parent))


def attached(file: Path) -> dict[str, Any]:
    """A file as a part of the question: an image, a PDF, or text under its name. Ends the program for any other."""
    try:
        data = file.read_bytes()
        kind = mimetypes.guess_type(file.name)[0]
        if kind not in (*IMAGES, PDF):
            return {"type": "input_text", "text": f"{file.name}:\n\n{data.decode()}"}
    except UnicodeDecodeError:
        raise SystemExit(f"{file} can't be sent: it is no text in UTF-8, and by its name no image or PDF.") from None
    except OSError as e:
        raise SystemExit(f"{file} can't be sent: {e.strerror}.") from e
    url = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    if kind == PDF:
        return {"type": "input_file", "filename": file.name, "file_data": url}
    return {"type": "input_image", "image_url": url}


def question(client: httpx2.Client, parts: list[dict[str, Any]], model: str, effort: str) -> Request:
    body: dict[str, Any] = {
        "model": model or first_model(client),
        "input": [{"role": "user", "content": parts}],
        "stream": True,
    }
    if effort:
        body["reasoning"] = {"effort": effort}
    return Request("POST", "/v1/responses", {"content-type": "application/json"}, json.dumps(body).encode())


def first_model(client: httpx2.Client) -> str:
    """The model that the account's list begins with."""
    response = client.get("/v1/models")
    known = response.json() if response.is_success else {}
    models = known.get("models") or known.get("data") or []
    if not models:
        raise SystemExit(f"{told(response.content)}\nNo list of models came; name one: scripts/ask --model NAME …")
    return str(models[0].get("slug") or models[0].get("id"))


def send(client: httpx2.Client, request: Request, form: str) -> int:
    """Print the answer as `form` says: `raw`, `json`, or `text`; the exit status."""
    with client.stream(request.method, request.path, content=request.body, headers=request.headers) as response:
        if form == "raw":
            for piece in response.iter_bytes():
                sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
            return 0 if response.is_success else 1
        if response.is_success and "event-stream" in response.headers.get("content-type", ""):
            return show_last(events(response)) if form == "json" else show_stream(events(response))
        body = response.read()
        if response.is_success and form == "json":
            return show_object(json.loads(body))
        print(told(body), file=sys.stdout if response.is_success else sys.stderr)
        return 0 if response.is_success else 1


def events(response: httpx2.Response) -> Iterator[dict[str, Any]]:
    reader = sse.Frames()
    for piece in response.iter_bytes():
        for frame in reader.feed(piece):
            try:
                yield json.loads(sse.parse(frame)[1] or b"{}")
            except ValueError:
                continue


def show_last(stream: Iterator[dict[str, Any]]) -> int:
    """The response as the last event has it; the exit status."""
    last: dict[str, Any] = functools.reduce(lambda _, event: event, stream, {})
    if "response" not in last:
        print(told(json.dumps(last).encode()), file=sys.stderr)
        return 1
    return show_object(last["response"])


def show_object(answer: dict[str, Any]) -> int:
    """The exit status: is it whole?"""
    print(json.dumps(answer, indent=2, ensure_ascii=False))
    return 0 if answer.get("status", "completed") == "completed" else 1


def show_stream(stream: Iterator[dict[str, Any]]) -> int:
    """Text to standard output as it comes, everything else to standard error; the exit status."""
    status, at_start = 1, True
    for event in stream:
        kind, item = event.get("type"), event.get("item") or {}
        if kind == "response.output_text.delta":
            print(event["delta"], end="", flush=True)
            at_start = event["delta"].endswith("\n")
        elif kind == "response.output_item.done" and item.get("type", "").endswith("_call"):
            print(f"[calls {item.get('name') or item['type']}({item.get('arguments', '')})]", file=sys.stderr)
        elif kind in ("response.failed", "response.incomplete", "error"):
            print(("" if at_start else "\n") + told(json.dumps(event).encode()), file=sys.stderr)
            at_start = True
        elif kind == "response.completed":
            status = 0
    if not at_start:
        print()
    return status


def told(body: bytes) -> str:
    """What an answer in JSON says: its error, or its text; anything else as it is."""
    try:
        answer = json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
    answer = answer.get("response") or answer if isinstance(answer, dict) else {}
    error = answer.get("error") or (answer if answer.get("type") == "error" else None)
    if error:
        return f"{error.get('code') or 'error'}: {error.get('message')}"
    if answer.get("incomplete_details"):
        return f"incomplete: {answer['incomplete_details'].get('reason')}"
    parts = [part for item in answer.get("output") or [] for part in item.get("content") or []]
    return "".join(part.get("text", "") for part in parts) or body.decode("utf-8", "replace")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/ask", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("question", nargs="*", help="the question; what standard input holds is put below it")
    parser.add_argument("--model", default="", help="the model; without it the first one of the account's list")
    parser.add_argument("--effort", default="", help="how hard it thinks: low, medium, high, … as the model knows it")
    parser.add_argument(
        "--file",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a text, an image or a PDF that goes along; may be given again",
    )
    parser.add_argument("--capture", metavar="FILE", type=Path, help="send the request in a file of scripts/capture")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument(
        "--json",
        dest="form",
        action="store_const",
        const="json",
        default="text",
        help="print the whole response object",
    )
    forms.add_argument(
        "--raw", dest="form", action="store_const", const="raw", help="print the answer as it comes, events and all"
    )
    port = os.environ.get("CODEX_PROXY_PORT") or "9090"
    parser.add_argument("--url", default=f"http://127.0.0.1:{port}", help="where the proxy is (%(default)s)")
    args = parser.parse_args()
    text = " ".join(args.question)
    if not args.capture and not sys.stdin.isatty():
        text = "\n\n".join(filter(None, (text, sys.stdin.read().strip())))
    if bool(text) == bool(args.capture) or (args.capture and args.file):
        parser.error("a question, or --capture FILE")
    headers = {"authorization": f"Bearer {os.environ.get('OPENAI_API_KEY') or 'dummy'}"}
    try:
        parts = [{"type": "input_text", "text": text}, *map(attached, args.file)]
        with httpx2.Client(base_url=args.url, headers=headers, timeout=SILENCE, trust_env=False) as client:
            request = captured(args.capture) if args.capture else question(client, parts, args.model, args.effort)
            return send(client, request, args.form)
    except (OSError, ValueError, KeyError) as e:
        print(f"{args.capture} can't be sent: {e}", file=sys.stderr)
    except httpx2.ConnectError:
        print(f"No proxy listens at {args.url}. Start it: scripts/serve", file=sys.stderr)
    except httpx2.HTTPError as e:
        print(f"The proxy at {args.url} broke off: {e}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
