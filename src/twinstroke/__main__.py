"""``python -m twinstroke``, for where the command itself is not on the path."""

from twinstroke.cli.main import main

if __name__ == "__main__":
    main()
