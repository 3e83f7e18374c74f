"""For pytest, which does not add this folder and the plugin's by itself where unit_test/ has an __init__.py."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
