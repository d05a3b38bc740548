"""`python -m striate` is the same as `striate`."""

from striate.cli import main

if __name__ == "__main__":
    main()
