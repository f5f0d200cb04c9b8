"""Files of flows that are not whole, or none: read as far as they are, told in a sentence."""

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
    """In the place of `FlowReader.stream`, which ends at the first flow that is not whole, with an exception."""
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
        except Exception as e:  # whatever an odd state makes of mitmproxy's readers
            unread.append(str(e) or type(e).__name__)
            continue
        whole += 1
        yield read
    name = str(getattr(reader.fo, "name", "The file"))
    if told := flow_file.told(name, whole, cuts, unread):
        logger.warning(told)
    elif not whole:
        logger.warning(f"{name}: there are no flows in it.")


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
        if path and not is_stdin and (problem := flow_file.why_unreadable(path)):
            reject(f"-r {path}: {problem}.")
