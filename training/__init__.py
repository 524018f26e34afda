"""How the bundled networks are made. Not part of the package: run from a clone, `python -m training.depth --help`."""
