"""Keep the proxy running on a full disk or a closed pipe, where mitmproxy would call `sys.exit`.

mitmproxy 12.2.3 exits when a flow can't be saved (addons/save.py) and when a line can't be printed (addons/termlog.py),
whatever is in progress, such as a renewed token that is not written yet.
"""

import contextlib
import logging
import os
import stat
from collections.abc import Callable
from typing import Any

from mitmproxy import ctx, flowfilter
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.dumper import Dumper
from mitmproxy.addons.save import Save
from mitmproxy.addons.savehar import SaveHar
from mitmproxy.addons.termlog import TermLogHandler
from mitmproxy.io import tnetstring

from ..layers.found_addon import found
from ..output.tolerant_file import TolerantFile

logger = logging.getLogger(__name__)


class Outlast:
    def __init__(self, shut_down: Callable[[], None]) -> None:
        """`shut_down` ends the process as SIGTERM does."""
        self._shut_down = shut_down
        self._missing = 0
        self._save: Any = None

    def load(self, loader: Loader) -> None:
        for handler in logging.getLogger().handlers:
            if isinstance(handler, TermLogHandler) and not isinstance(handler.file, TolerantFile):
                handler.file = TolerantFile(handler.file, self.stop)  # type: ignore[assignment]
        dumper = found(Dumper)
        if dumper and not isinstance(dumper.outfp, TolerantFile):
            dumper.outfp = TolerantFile(dumper.outfp, self.stop)  # type: ignore[assignment]
        if save := found(Save):
            self._save = save
            save.save_flow, save.done = self.save_flow, self.end_saving  # type: ignore[method-assign]
        if har := found(SaveHar):
            har.done = lambda: export_har(har)  # type: ignore[method-assign]

    def stop(self) -> None:
        """The log has no reader any more: end as after SIGTERM, and let running requests finish. From any thread."""
        ctx.master.event_loop.call_soon_threadsafe(self._shut_down)

    def save_flow(self, flow: Any) -> None:
        """In place of `Save.save_flow`: a flow that can't be written is skipped, which is logged once."""
        if not (self._save.stream or ctx.options.save_stream_file):
            return
        self._save.active_flows.discard(flow)
        try:
            self._save.maybe_rotate_to_new_file()
            write_whole(self._save.stream, flow)
        except OSError as e:
            if not self._missing:
                logger.error(
                    f"Flows can't be saved to {ctx.options.save_stream_file} ({e.strerror or e}): the proxy continues without saving. They are"
                    " saved again as soon as that can be."
                )
            self._missing += 1
            return
        if self._missing:
            logger.warning(f"Flows are saved to {self._save.current_path} again; {self._missing} were not saved.")
            self._missing = 0

    def end_saving(self) -> None:
        """In place of `Save.done`, which writes the flows that still run."""
        for flow in list(self._save.active_flows) if self._save.stream else []:
            self.save_flow(flow)
        self._save.active_flows.clear()
        with contextlib.suppress(OSError):
            type(self._save).done(self._save)


def write_whole(stream: Any, flow: Any) -> None:
    """As `FilteredFlowWriter.add`, but all of the flow or none: with half of one in it the rest can't be read. Raises OSError."""
    if stream.flt and not flowfilter.match(stream.flt, flow):
        return
    data, file = memoryview(tnetstring.dumps(flow.get_state())), stream.fo.raw
    before = os.fstat(file.fileno())
    try:
        while data:
            data = data[file.write(data) :]
    except OSError:
        if stat.S_ISREG(before.st_mode):
            os.ftruncate(file.fileno(), before.st_size)
            file.seek(before.st_size)
        raise


def export_har(har: Any) -> None:
    try:
        type(har).done(har)
    except OSError as e:
        logger.error(f"The flows can't be written to hardump={ctx.options.hardump}: {e.strerror or e}.")
