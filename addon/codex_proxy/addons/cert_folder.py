"""Give mitmproxy another folder for its certificates if the home cannot be written, as in a container."""

import shutil
import tempfile
from pathlib import Path

from mitmproxy import ctx

from ..files import atomic as atomic_files
from ..layers.option_checks import logger, reject

# The files that mitmproxy creates if they are missing (mitmproxy/certs.py).
MADE = ("mitmproxy-ca.pem", "mitmproxy-dhparam.pem")


class CertFolder:
    def __init__(self) -> None:
        self.made = ""

    def configure(self, updated: set[str]) -> None:
        if "confdir" not in updated:
            return
        folder = Path(ctx.options.confdir).expanduser()
        if atomic_files.can_hold(folder, MADE):
            return
        try:
            self.made = tempfile.mkdtemp(prefix="codex-proxy-")
        except OSError as e:
            reject(
                f"{folder} can't be written to, and no folder can be made elsewhere ({e.strerror}): --set confdir=FOLDER"
            )
        logger.warning(
            f"{folder} can't be written to: mitmproxy's certificates are made in {self.made}, and removed when this process ends. Only"
            " clients that call it by https need them; --set confdir=FOLDER names a permanent folder."
        )
        ctx.options.confdir = self.made

    def done(self) -> None:
        if self.made:
            shutil.rmtree(self.made, ignore_errors=True)
