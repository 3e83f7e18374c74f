"""Run benchmarks:  python -m tools.bench [NAME...] [--json FILE] [--quick]"""

from __future__ import annotations

import argparse
import importlib
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from tools.bench.measure import Result
from tools.bench.report import Document, about

NAMES = ("actions", "server", "cold_start", "search", "receiver", "catch_up")


def benchmark(name: str) -> Callable[[bool], Result]:
    """``run(quick)`` of a benchmark's module."""
    run: Callable[[bool], Result] = importlib.import_module(f"tools.bench.{name}").run
    return run


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 also where a goal is missed, because a busy machine misses some. The table says which."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description="The benchmarks of the plugin.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(NAMES)} (all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument(
        "--quick", action="store_true", help="few and small rounds: shows that it works, proves nothing"
    )
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    given = list(sys.argv[1:] if arguments is None else arguments)
    document = Document(shlex.join(["python", "-m", "tools.bench", *_without_file(given)]), about(), data=[])
    for name in options.names or NAMES:
        print(f"bench: {name} ...", file=sys.stderr, flush=True)
        began = time.monotonic()
        result = benchmark(name)(options.quick)
        result.seconds = round(time.monotonic() - began, 1)
        document.tables.append(result.table())
        document.data.append(asdict(result))
        document.passed = document.passed and all(row.met is not False for row in result.rows)
        print(result.table().text(), flush=True)
    if options.json:
        document.write(options.json)
    return 0


def _without_file(arguments: list[str]) -> list[str]:
    """The arguments without ``--json FILE``, which names a place on this machine."""
    if "--json" in arguments:
        at = arguments.index("--json")
        return arguments[:at] + arguments[at + 2 :]
    return [argument for argument in arguments if not argument.startswith("--json=")]


if __name__ == "__main__":
    sys.exit(main())
