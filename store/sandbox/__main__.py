"""`python -m store.sandbox`: the entry of `make run`, quiet when Ctrl-C comes while the program is still loading."""

import signal
import sys


def main() -> int:
    """Load and run the sandbox; before there is anything to stop in order, Ctrl-C simply ends the process."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from store.sandbox.run import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
