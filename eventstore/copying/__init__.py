"""Taking a log from one kind of store to another, row by row and as it is."""
