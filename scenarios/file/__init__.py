"""Scenario files: what may stand in them, and the scenario that they come to."""
