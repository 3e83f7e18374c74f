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

PACKAGE = "tools.bench"
NAMES = ("actions", "server", "cold_start", "search", "receiver", "catch_up")


def benchmark(name: str, package: str = PACKAGE) -> Callable[[bool], Result]:
    """``run(quick)`` of a benchmark's module."""
    run: Callable[[bool], Result] = importlib.import_module(f"{package}.{name}").run
    return run


def main(
    arguments: Sequence[str] | None = None,
    *,
    package: str = PACKAGE,
    names: Sequence[str] = NAMES,
    about_what: str = "The benchmarks of the plugin.",
) -> int:
    """The command; 0 also where a goal is missed, because a busy machine misses some. The table says which.

    ``names`` are modules of ``package``: the remediation service has its own.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=about_what)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(names)} (all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument(
        "--quick", action="store_true", help="few and small rounds: shows that it works, proves nothing"
    )
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(names)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    given = list(sys.argv[1:] if arguments is None else arguments)
    document = Document(shlex.join(["python", "-m", package, *_without_file(given)]), about(), data=[])
    for name in options.names or names:
        print(f"bench: {name} ...", file=sys.stderr, flush=True)
        began = time.monotonic()
        result = benchmark(name, package)(options.quick)
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
