"""Run the service's benchmarks:  python -m bench [NAME...] [--json FILE] [--quick]"""

from __future__ import annotations

import sys

from tools.bench.__main__ import main

NAMES = ("imports", "scans", "observe", "plan", "pages", "sync", "latency", "enrichment")

if __name__ == "__main__":
    sys.exit(main(package="bench", names=NAMES, about_what="The benchmarks of the remediation service."))
