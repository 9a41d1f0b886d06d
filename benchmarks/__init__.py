"""The figures that Tidings holds itself to: each case one command, each figure beside a limit of the same sitting."""
