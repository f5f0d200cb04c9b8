"""Create flow files with mode 0600; mitmproxy creates them as the umask says.

A later chmod would leave a moment in which another user could open the file. Other files of mitmproxy, such as the certificates
in its own folder, are not changed.
"""

import contextlib
import functools
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.save import Save
from mitmproxy.addons.savehar import SaveHar

from ..files import atomic as atomic_files
from ..layers.found_addon import found

# Commands that write the user's selection to a file.
COMMANDS = ("save.file", "save.har", "export.file", "cut.save")

OTHERS = stat.S_IRWXG | stat.S_IRWXO


class OwnFiles:
    """Permanent: `hardump` is written after the last of our hooks."""

    def load(self, loader: Loader) -> None:
        # `-w FILE`, at the start and wherever a name with the time in it changes; `hardump`, at the end.
        if save := found(Save):
            replace(save, "maybe_rotate_to_new_file", opening(save))
            renew(save)
        if har := found(SaveHar):
            replace(har, "export_har", for_owner(har.export_har))
        for name in COMMANDS:
            if command := ctx.master.commands.commands.get(name):
                replace(command, "func", for_owner(command.func))


def replace(held: Any, name: str, function: Callable[..., Any]) -> None:
    """Once: when the script is loaded again, it is done already."""
    if not hasattr(getattr(held, name), "for_owner"):
        function.for_owner = True  # type: ignore[attr-defined]
        setattr(held, name, function)


def opening(save: Any) -> Callable[[], None]:
    """`Save.maybe_rotate_to_new_file` with mode 0600; an existing file is closed to other users."""
    rotate = for_owner(save.maybe_rotate_to_new_file)

    def opened() -> None:
        before = save.stream
        rotate()
        if save.stream is not before:
            close_to_others(save)

    return opened


def for_owner[**P, T](function: Callable[P, T]) -> Callable[P, T]:
    """Whatever it creates, files and folders, is for the owner only."""

    @functools.wraps(function)
    def private(*args: P.args, **kwargs: P.kwargs) -> T:
        before = os.umask(OTHERS)
        try:
            return function(*args, **kwargs)
        finally:
            os.umask(before)

    return private


def renew(save: Any) -> None:
    """The file of `-w`, which mitmproxy opens before it loads a script: no other user may keep it open for reading."""
    try:
        file = os.fstat(save.stream.fo.fileno())
        is_new = stat.S_ISREG(file.st_mode) and file.st_mode & OTHERS and not file.st_size and file.st_nlink == 1
        if is_new and not os.path.islink(save.current_path):
            atomic_files.replace(Path(save.current_path), b"")
            save.stream.fo.close()
            save.stream = save.current_path = None
            save.maybe_rotate_to_new_file()
    except (OSError, ValueError, AttributeError):  # no file, none of ours, a folder that takes none
        pass
    close_to_others(save)


def close_to_others(save: Any) -> None:
    """A file that flows are written to; a pipe or a device is left alone."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # not ours to change, or Windows
        if stat.S_ISREG(os.fstat(save.stream.fo.fileno()).st_mode):
            os.fchmod(save.stream.fo.fileno(), stat.S_IRUSR | stat.S_IWUSR)
