"""Starting `tidings` many times over without importing it each time anew."""
