"""``python -m cmx``."""

from cmx.cli.main import entry

if __name__ == "__main__":
    entry()
