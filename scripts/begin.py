"""Start one of the scripts next to it, a file or a package; Ctrl-C during the imports ends it without a message.

As an exception it would come out of any import, as a traceback. `_env` has blocked the signal up to here, where that is
possible. A script that has something to clean up says so when it starts (`ctrl_c.py`).
"""

import runpy
import signal
import sys
from pathlib import Path

if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

sys.argv = sys.argv[1:]
try:
    if sys.argv[0].endswith(".py"):
        runpy.run_path(str(Path(__file__).with_name(sys.argv[0])), run_name="__main__")
    else:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
except KeyboardInterrupt:
    sys.exit(130)
