"""Report flow files that are damaged or are not flow files in one sentence, and read what can be read."""

from collections.abc import Iterator
from typing import Any

from mitmproxy import ctx, exceptions, flow
from mitmproxy.addons.readfile import ReadFileStdin
from mitmproxy.io import FlowReader, compat, tnetstring

from ..files import flow_file
from ..layers.found_addon import found
from ..layers.option_checks import logger, reject

mitmproxys_own = FlowReader.stream


def stream(reader: FlowReader) -> Iterator[flow.Flow]:
    """Replaces `FlowReader.stream`, which raises at the first damaged flow."""
    head = reader.peek(4)
    if head and not head[:1].isdigit():  # a HAR file, or none at all
        yield from mitmproxys_own(reader)
        return
    whole = 0
    cuts: list[flow_file.Cut] = []
    unread: list[str] = []
    for piece in flow_file.pieces(reader.fo):
        if isinstance(piece, flow_file.Cut):
            cuts.append(piece)
            continue
        try:
            read = flow.Flow.from_state(compat.migrate_flow(state_of(piece)))
        except Exception as e:  # any exception that mitmproxy's readers raise for an unexpected state
            unread.append(str(e) or type(e).__name__)
            continue
        whole += 1
        yield read
    name = str(getattr(reader.fo, "name", "The file"))
    if told := flow_file.summary(name, whole, cuts, unread):
        logger.warning(told)
    elif not whole:
        logger.warning(f"{name}: it contains no flows.")


def state_of(piece: bytes) -> dict[bytes | str, Any]:
    state = tnetstring.loads(piece)
    if not isinstance(state, dict):
        raise exceptions.FlowReadException("not a flow")
    return state


class FlowReading:
    def load(self, _: object) -> None:
        FlowReader.stream = stream  # type: ignore[method-assign, assignment]

    def configure(self, updated: set[str]) -> None:
        # It is read once, at the start; `-` is the standard input, of mitmdump alone.
        path = ctx.options.rfile if "rfile" in updated else None
        is_stdin = path == "-" and found(ReadFileStdin)
        if path and not is_stdin and (problem := flow_file.unreadable_reason(path)):
            reject(f"-r {path}: {problem}.")
