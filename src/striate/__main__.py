"""`python -m striate` is the same as `striate`."""

import sys


def start() -> None:
    """Runs the command line; one that is interrupted while it is being imported ends quietly."""
    try:
        from striate.cli import main
    except KeyboardInterrupt:
        sys.exit(130)
    main()


if __name__ == "__main__":
    start()
