"""`python -m benchmarks`: the cost of a request; `live` and `memory` are the other two benchmarks."""

import asyncio
import sys

from ctrl_c import stop_as_by_ctrl_c

from . import cost, live, memory

OTHERS = {"live": live.main, "memory": memory.main}


def main(arguments: list[str]) -> None:
    stop_as_by_ctrl_c()
    other = OTHERS.get(arguments[0]) if arguments else None
    asyncio.run(other(arguments[1:]) if other else cost.main(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
