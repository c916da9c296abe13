"""Turns itself into another program that ends together with the process that started it.

`python leash.py SIGNAL PARENT PROGRAM ARGUMENTS...`: on Linux the kernel sends SIGNAL (a number) to the program as
soon as PARENT (a process id) is gone, even by `kill -9` (prctl(2), PR_SET_PDEATHSIG). Elsewhere the program simply
starts, and a later start finds it by its record. Runs as a plain script: standard library only.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent and become the program."""
    number, parent = int(sys.argv[1]), int(sys.argv[2])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    # The parent may have gone between the fork and the line above; then nobody would ever send the signal.
    if os.getppid() == parent:
        os.execvp(sys.argv[3], sys.argv[3:])  # noqa: S606 - becoming another program is this script's whole duty


if __name__ == "__main__":
    main()
