"""Decisions and values, all of them pure: no waiting, no clock, no chance, no input or output."""
