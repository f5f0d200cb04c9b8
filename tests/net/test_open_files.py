import resource
import subprocess
import sys

import pytest

from codex_proxy.net.open_files import WANTED

from ..places import ADDON

SAYS = "from codex_proxy.net import open_files; import resource; print(open_files.raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))"


@pytest.mark.parametrize(
    ("soft", "hard", "then"),
    [(256, 4096, 4096), (256, None, WANTED), (64, 64, 64), (1024, WANTED + 1, WANTED), (WANTED + 1, None, WANTED + 1)],
)
def test_the_soft_limit_is_raised_as_far_as_it_may_be(soft: int, hard: int | None, then: int) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most != resource.RLIM_INFINITY and most < WANTED + 1:
        pytest.skip("this machine has a lower hard limit")
    limits = (soft, most if hard is None else hard)
    said = subprocess.run(
        [sys.executable, "-c", SAYS], cwd=ADDON, text=True, stdout=subprocess.PIPE, check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
    )  # fmt: skip
    assert [int(each) for each in said.stdout.split()] == [then, then, limits[1]]
