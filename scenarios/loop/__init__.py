"""Virtual time: the event loop that scenarios run on, and the tripwires that keep a run inside it.

`run.run_virtual` is the door. Behind it stand the loop (`virtual`) with its order (`schedules`, `numbered`), its edge
(`boundary`, `tripwires`), its reports (`stuck`) and its power cuts (`heap`).
"""
