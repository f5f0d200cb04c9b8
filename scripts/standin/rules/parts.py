"""The rules for content parts and tool outputs, images among them (docs/backend.md, 4)."""

import base64
import binascii
from typing import Any

from ..wire.replies import Refused, api_error, detail, invalid_value, missing, unknown, wrong_type

BY_ROLE = {
    "user": ("input_text", "input_image", "input_file"),
    "developer": ("input_text", "input_image", "input_file"),
    "assistant": ("output_text", "refusal"),
}
KEYS = {
    "input_text": ("text",),
    "output_text": ("text", "annotations", "logprobs"),
    "refusal": ("refusal",),
    "input_image": ("image_url", "detail", "file_id"),
    "input_file": ("file_data", "file_id", "file_url", "filename", "detail"),
}
TEXT_KEY = {"input_text": "text", "output_text": "text", "refusal": "refusal"}
DETAILS = ("low", "high", "auto", "original")
BREAKPOINT = "prompt_cache_breakpoint"

SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")
NO_IMAGE = (
    "The image data you provided does not represent a valid image. Please check your input and try again with one of "
    "the supported image formats: ['image/jpeg', 'image/png', 'image/gif', 'image/webp']."
)
EXPECTED_IMAGE = "Expected a base64-encoded data URL with an image MIME type"


def check_content(item: dict[str, Any], role: str, where: str) -> None:
    """The content of a message: a string or a list of the parts its role may have."""
    where = f"{where}.content"
    if "content" not in item:
        raise missing(where)
    content = item["content"]
    if role == "assistant" and (content in ("", []) or _says_nothing(content)):
        raise missing(where)  # seen of an assistant's messages alone (docs/backend.md, 4.2)
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise wrong_type(where, "one of an array of objects or string", content)
    for index, part in enumerate(content):
        _check_part(part, BY_ROLE[role], f"{where}[{index}]")


def _says_nothing(content: object) -> bool:
    return isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") in TEXT_KEY and part.get(TEXT_KEY[part["type"]]) == ""
        for part in content
    )


def check_output(output: object, where: str) -> None:
    """A tool's output: a string or a list of parts (docs/backend.md, 4)."""
    if isinstance(output, str):
        return
    if not isinstance(output, list):
        raise detail("Unsupported content type")
    for index, part in enumerate(output):
        if not isinstance(part, dict) or part.get("type") not in BY_ROLE["user"]:
            raise detail("Unsupported content type")
        _check_part(part, BY_ROLE["user"], f"{where}.output[{index}]")


def _check_part(part: object, allowed: tuple[str, ...], where: str) -> None:
    if not isinstance(part, dict):
        raise wrong_type(where, "an object", part)
    kind = part.get("type")
    if kind not in allowed:
        raise invalid_value(kind, allowed, where)
    for key in part:
        if key == BREAKPOINT:
            raise api_error("prompt_cache_breakpoint is not supported on this model", param=f"{where}.{key}")
        if key not in ("type", *KEYS[kind]):
            raise unknown(f"{where}.{key}")
    if part.get("file_id"):
        # The real one hangs for ten minutes (docs/backend.md, 4.2).
        raise detail("The stand-in does not wait as the backend does: no stored file", 502)
    if kind in TEXT_KEY:
        _check_text(part, TEXT_KEY[kind], where)
    elif kind == "input_image":
        _check_image(part, where)
    elif not any(part.get(key) for key in ("file_data", "file_url")):
        raise missing(f"{where}.file_data")


def _check_text(part: dict[str, Any], key: str, where: str) -> None:
    if part.get(key) is None:
        raise missing(f"{where}.{key}")
    if not isinstance(part[key], str):
        raise wrong_type(f"{where}.{key}", "a string", part[key])


def _check_image(part: dict[str, Any], where: str) -> None:
    if part.get("detail") is not None and part["detail"] not in DETAILS:
        raise invalid_value(part["detail"], DETAILS, f"{where}.detail")
    url = part.get("image_url")
    where = f"{where}.image_url"
    if url is None:
        raise missing(where)
    elif not isinstance(url, str):
        raise wrong_type(where, "an image URL", url)
    elif url.startswith("data:"):
        _check_data_url(url, where)
    elif not url.startswith(("https://", "http://")):
        raise _bad_image(f"Invalid '{where}'. Expected a valid URL, but got a value with an invalid format.", where)


def _check_data_url(url: str, where: str) -> None:
    head, _, data = url.removeprefix("data:").partition(",")
    mime = head.partition(";")[0]
    prefix = f"Invalid '{where}'. {EXPECTED_IMAGE}"
    if not mime.startswith("image/") or not head.endswith(";base64"):
        raise _bad_image(f"{prefix}, but got unsupported MIME type '{mime}'.", where)
    if not data:
        raise _bad_image(f"{prefix}, but got empty base64-encoded bytes.", where)
    try:
        # Four characters of base64 are three bytes; the signature is in the first sixteen.
        start = base64.b64decode(data[:16], validate=True)
        binascii.a2b_base64(data, strict_mode=True)
    except binascii.Error as e:
        raise _bad_image(f"{prefix}, but got invalid base64-encoded bytes.", where) from e
    if not start.startswith(SIGNATURES):
        raise _bad_image(NO_IMAGE, where)


def _bad_image(text: str, where: str) -> Refused:
    return api_error(text, param=where, code="invalid_value")
