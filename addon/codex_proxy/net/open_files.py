"""The limit of open files: each connection counts, and macOS allows 256 where Linux allows 1,024."""

import importlib
import importlib.util
from typing import Any

# What is asked for: the most that macOS lets a process have without a change of the system (OPEN_MAX of <sys/syslimits.h>).
WANTED = 10_240


def raise_limit(wanted: int = WANTED) -> int:
    """Raise the soft limit as far as the hard one allows; never lower it. Gives the limit that then holds, 0 if there is none."""
    if not importlib.util.find_spec("resource"):  # Windows has none
        return 0
    resource: Any = importlib.import_module("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 0
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft >= target:
        return int(soft)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    except (OSError, ValueError):  # the system has a limit of its own (kern.maxfilesperproc)
        return int(soft)
    return target
