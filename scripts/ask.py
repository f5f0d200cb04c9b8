"""Ask the running proxy a question and print the answer as it arrives, or send a captured request again."""

import argparse
import base64
import functools
import json
import mimetypes
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import httpx2

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "addon"))

import terminal
from codex_proxy import json_text
from codex_proxy.answer import sse
from codex_proxy.capture import folder as capture_folder
from codex_proxy.files import bounded as bounded_files
from codex_proxy.output.redact import HIDDEN
from codex_proxy.printable import in_json, lines
from command_line import Parser
from terminal import say

EXAMPLES = """\
The API key is $OPENAI_API_KEY, if set; the proxy needs one only if codex_client_key is set.
Exit status: 0 for a complete answer, 1 for an error, 2 for wrong arguments.

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

# Larger than what the proxy takes (`codex_body_limit`), in bytes.
LARGEST = 256 << 20

# How long the proxy may be silent, in seconds; it has time-outs of its own for the backend.
SILENCE = 600.0


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def captured(file: Path) -> Request:
    """The request in a file of `scripts/capture`, with what was cut out of it; its secrets are gone. Raises ValueError, OSError."""
    document = json_text.decode(bounded_files.read_once(file, LARGEST))
    if not isinstance(document, dict) or "request_line" not in document:
        raise ValueError("it holds no captured request")
    method, path = document["request_line"].split()[:2]
    headers = {name: value for name, value in document["headers"] if HIDDEN not in value}
    kept = {name: value for name, value in headers.items() if name.lower() not in NOT_AGAIN}
    return Request(
        method,
        path.replace(HIDDEN, ""),
        kept,
        capture_folder.restored(cast(capture_folder.Document, document), file.parent),
    )


def again(file: Path) -> Request:
    """As `captured`; ends the program if the file is not a capture."""
    try:
        return captured(file)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise SystemExit(lines(f"{file} can't be sent: {e}")) from e


def attached(file: Path) -> dict[str, Any]:
    """A file as a part of the question: an image, a PDF, or text under its name. Ends the program for any other."""
    try:
        data = bounded_files.read_once(file, LARGEST)
        kind = mimetypes.guess_type(file.name)[0]
        if kind not in (*IMAGES, PDF):
            return {"type": "input_text", "text": f"{file.name}:\n\n{data.decode()}"}
    except UnicodeDecodeError:
        raise SystemExit(
            lines(f"{file} can't be sent: it is not text in UTF-8, and by its name no image or PDF.")
        ) from None
    except OSError as e:
        raise SystemExit(lines(f"{file} can't be sent: {e.strerror}.")) from e
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
    known = an_object(response.json()) if response.is_success else {}
    models = known.get("models") or known.get("data")
    first = an_object(models[0]) if isinstance(models, list) and models else {}
    if not (name := first.get("slug") or first.get("id")):
        raise SystemExit(
            lines(
                f"{text_of(response.content)}\nThe list of models could not be fetched; name a model: scripts/ask --model NAME …"
            )
        )
    return str(name)


def send(client: httpx2.Client, request: Request, form: str) -> int:
    """Print the answer as `form` says: `raw`, `json`, or `text`; the exit status."""
    with client.stream(request.method, request.path, content=request.body, headers=request.headers) as response:
        is_stream = "event-stream" in response.headers.get("content-type", "")
        if form == "raw":
            failed = [event for event in events(passed_on(response)) if is_stream and is_whole(event) is False]
            return 0 if response.is_success and not failed else 1
        if response.is_success and is_stream:
            stream = events(response.iter_bytes())
            return show_last(stream) if form == "json" else show_stream(stream)
        body = response.read()
        if response.is_success and form == "json":
            return show_object(an_object(json_text.decode(body)))
        say(text_of(body), errors=not response.is_success)
        return 0 if response.is_success else 1


def passed_on(response: httpx2.Response) -> Iterator[bytes]:
    """The answer, each piece once it is printed."""
    for piece in response.iter_bytes():
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        yield piece


def events(pieces: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Those of a stream. A failed one does not end cleanly, which says nothing more than its last event did."""
    reader, has_ended = sse.Frames(), False
    try:
        for piece in pieces:
            for frame in reader.feed(piece):
                try:
                    event = an_object(json_text.decode(sse.parse(frame)[1] or b"{}"))
                except ValueError:
                    continue
                has_ended = has_ended or is_whole(event) is not None
                yield event
    except httpx2.RemoteProtocolError:
        if not has_ended:
            raise


def an_object(value: Any) -> dict[str, Any]:
    """What some other server answers may be anything."""
    return value if isinstance(value, dict) else {}


def choices(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Of an event of chat completions, and of a whole answer."""
    held = event.get("choices")
    return [an_object(each) for each in held] if isinstance(held, list) else []


def is_whole(event: dict[str, Any]) -> bool | None:
    """Is the answer a whole one that ends with this event? None if it goes on."""
    if event.get("type") in ("response.failed", "response.incomplete", "error"):
        return False
    reasons = [each["finish_reason"] for each in choices(event) if each.get("finish_reason")]
    if event.get("type") == "response.completed" or reasons:
        return not set(map(str, reasons)) & {"length", "content_filter"}
    return False if event.get("error") and "type" not in event else None


def show_last(stream: Iterator[dict[str, Any]]) -> int:
    """The response as the last event has it; the exit status."""
    last: dict[str, Any] = functools.reduce(lambda _, event: event, stream, {})
    if "response" not in last:
        say(text_of(json.dumps(last).encode()), errors=True)
        return 1
    return show_object(last["response"])


def show_object(answer: dict[str, Any]) -> int:
    """The exit status: is it whole?"""
    print(in_json(json.dumps(answer, indent=2, ensure_ascii=False)))
    return 0 if answer.get("status", "completed") == "completed" else 1


def show_stream(stream: Iterator[dict[str, Any]]) -> int:
    """Text to standard output as it comes, everything else to standard error; the exit status."""
    status, at_start = 1, True
    for event in stream:
        kind, item = event.get("type"), an_object(event.get("item"))
        text = str(event.get("delta")) if kind == "response.output_text.delta" else chat_text(event, "delta")
        if text:
            say(text, end="")
            at_start = text.endswith("\n")
        if kind == "response.output_item.done" and str(item.get("type")).endswith("_call"):
            say(f"[calls {item.get('name') or item['type']}({item.get('arguments', '')})]", errors=True)
        if (whole := is_whole(event)) is False:
            say(("" if at_start else "\n") + text_of(json.dumps(event).encode()), errors=True)
            return 1
        elif whole:
            status = 0
    if not at_start:
        print()
    return status


def chat_text(answer: dict[str, Any], part: str) -> str:
    """Of an event (`delta`) or a whole answer (`message`) of chat completions; empty for any other."""
    texts = [an_object(each.get(part)).get("content") for each in choices(answer)]
    return "".join(text for text in texts if isinstance(text, str))


def text_of(body: bytes) -> str:
    """What an answer in JSON says: its error, or its text; anything else as it is."""
    try:
        whole = an_object(json_text.decode(body))
    except ValueError:
        return body.decode("utf-8", "replace")
    answer = an_object(whole.get("response")) or whole
    error = answer.get("error") or (answer if answer.get("type") == "error" else None)
    if error:
        known = error if isinstance(error, dict) else {"message": error}
        return f"{known.get('code') or 'error'}: {known.get('message')}"
    reasons = [each.get("finish_reason") for each in choices(answer) if is_whole(answer) is False]
    if reason := an_object(answer.get("incomplete_details")).get("reason") or next(iter(reasons), None):
        return f"incomplete: {reason}"
    text = "".join(texts(answer)) or chat_text(answer, "message")
    return text or body.decode("utf-8", "replace")


def texts(answer: dict[str, Any]) -> Iterator[str]:
    for item in answer.get("output") or []:
        for part in an_object(item).get("content") or []:
            yield str(an_object(part).get("text", ""))


def main() -> int:
    parser = Parser(
        prog="scripts/ask", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("question", nargs="*", help="the question; standard input, if any, is appended")
    parser.add_argument("--model", default="", help="the model; by default the first of the account's list")
    parser.add_argument(
        "--effort", default="", help="the reasoning effort: low, medium, high, … as the model supports it"
    )
    parser.add_argument(
        "--file",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a text file, image or PDF to send along; may be repeated",
    )
    parser.add_argument(
        "--capture", metavar="FILE", type=Path, help="send the request in a file written by scripts/capture"
    )
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
        "--raw", dest="form", action="store_const", const="raw", help="print the answer as it arrives, with all events"
    )
    terminal.add_proxy(parser)
    args = parser.read()
    text = " ".join(args.question)
    if not args.capture and sys.stdin is not None and not sys.stdin.isatty():
        below = sys.stdin.buffer.read().decode("utf-8", "replace").strip()
        text = "\n\n".join(filter(None, (text, below)))
    if bool(text) == bool(args.capture) or (args.capture and args.file):
        parser.error("a question, or --capture FILE")
    headers = {"authorization": f"Bearer {os.environ.get('OPENAI_API_KEY') or 'dummy'}"}
    try:
        parts = [{"type": "input_text", "text": text}, *map(attached, args.file)]
        with httpx2.Client(base_url=args.url, headers=headers, timeout=SILENCE, trust_env=False) as client:
            request = again(args.capture) if args.capture else question(client, parts, args.model, args.effort)
            return send(client, request, args.form)
    except ValueError as e:
        say(f"The answer of {args.url} can't be read: {e}", errors=True)
    except OSError as e:
        say(f"The answer can't be printed: {e.strerror}", errors=True)
    except httpx2.ConnectError:
        say(f"No proxy listens at {args.url}. Start it: scripts/serve", errors=True)
    except httpx2.HTTPError as e:
        say(f"The proxy at {args.url} broke off: {e}", errors=True)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
