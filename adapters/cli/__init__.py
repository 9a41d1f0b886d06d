"""The command line: each command is one question or one order to a daemon or a log."""
