"""python -m tools.demo"""

import os
import sys

from tools.demo.stopping import Stopping

STOPPING = Stopping()
STOPPING.listen()

# What follows takes most of a second to import, in which Ctrl-C may come already.
from tools.demo.play import main  # noqa: E402  # pylint: disable=wrong-import-position

if __name__ == "__main__":
    sys.exit(main(STOPPING, os.environ))
