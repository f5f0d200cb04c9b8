"""Becomes one of the scripts beside it, a file or a package: Ctrl-C while it is still being imported ends it without a word.

As an exception it would come out of any import, as a traceback. `_env` has blocked the signal up to here, where that can be
done. A script that has something to put away says so when it begins (`ctrl_c.py`).
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
