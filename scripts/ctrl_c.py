"""How Ctrl-C ends a script."""

import signal


def stop_as_by_ctrl_c() -> None:
    """Ctrl-C puts away what is half done, as an exception; SIGTERM and SIGHUP do the same.

    Up to here `begin.py` has Ctrl-C end the process.
    """
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) != signal.SIG_IGN:
            signal.signal(ending, signal.default_int_handler)
