"""Run a script for Lava as the environment of ``backends/lava/install.py`` runs it.

``python lava_script.py script.py arguments…``, in the script's folder.
"""

import os
import runpy
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "backends" / "lava" / "worker"))
import python311

if __name__ == "__main__":
    warnings.simplefilter("ignore")  # Lava's own deprecations are no news here.
    python311.prepare()
    sys.argv = sys.argv[1:]
    os.chdir(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
