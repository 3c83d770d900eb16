"""Many frames over a line that damages both directions: is anything lost, reordered or wrong?

    python benchmarks/link_faults.py 10000000
    python benchmarks/link_faults.py 1000000 --faults flip=1e-3,burst=1e-5

writes random images into a device model and reads them back until so many numbered frames have got
there, with 0.1 % of all bytes flipped, lost, doubled or followed by garbage unless told otherwise;
every image is compared at both ends.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.soak import soak

from spikeloom.runtime.link.faults import Faults

USUAL = "flip=2.5e-4,lose=2.5e-4,double=2.5e-4,garbage=2.5e-4"


def main() -> int:
    """1 if anything was wrong."""
    parser = argparse.ArgumentParser(description="A soak of the link over a bad line.")
    parser.add_argument("frames", type=int, nargs="?", default=10_000)
    parser.add_argument("--faults", default=USUAL)
    given = parser.parse_args()
    found = soak(given.frames, Faults.parse(given.faults))
    print(
        f"{found.frames} numbered frames got there, {found.repeated} of the host's were repeated; "
        f"{found.hits} bytes hit, {found.damaged} damaged frames, {found.wrong} images wrong; "
        f"{found.seconds:.0f} s of CPU"
    )
    return int(found.wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
