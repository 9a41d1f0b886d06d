"""Virtual time: the event loop that scenarios run on, and the tripwires that keep a run inside it."""
