"""Hooks as their providers sign them, and as forgers would."""
