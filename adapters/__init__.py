"""The outside in both directions: channels, web, command line, configuration, clock and chance."""
