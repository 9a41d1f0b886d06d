"""What a scenario may say of several daemons on one log, and must not say of one.

This file answers for such mistakes being seen when a file is read: a fault of a daemon that is not there would pass
unseen.
"""

from adapters.config.positions import KeyPath
from adapters.config.reading import Reader, shown
from scenarios.file.readings import ACTING
from scenarios.file.scenario import Scenario
from scenarios.file.sides import Fault


def check_several(reader: Reader, scenario: Scenario) -> None:
    """Notes every mistake about daemons and which of them is meant."""
    for index, fault in enumerate(scenario.faults):
        path: KeyPath = ("fault", index)
        if reader.sound(path):
            _check_which(reader, scenario, fault, path)
            _check_belonging(reader, fault, path)
    if scenario.daemons > 1 and scenario.is_wired:
        reader.mistake(("daemons",), shown(scenario.daemons), "1, since only one daemon speaks over a wire")


def _check_which(reader: Reader, scenario: Scenario, fault: Fault, path: KeyPath) -> None:
    for key, number in (("of", fault.of), ("cut", fault.cut)):
        if number is None:
            continue
        if scenario.daemons == 1:
            reader.mistake((*path, key), "one of several daemons", "daemons = 2 or more in the file")
        elif number > scenario.daemons:
            reader.mistake((*path, key), shown(number), f'a daemon from 1 to {scenario.daemons}, or "acting"')
    if fault.database is not None and scenario.daemons == 1:
        reader.mistake((*path, "database"), shown(fault.database), "a disk, unless there are several daemons")


def _check_belonging(reader: Reader, fault: Fault, path: KeyPath) -> None:
    if fault.of is not None and fault.daemon is None and fault.clock is None:
        reader.mistake((*path, "of"), shown(fault.of), "none but with a daemon or a clock")
    if fault.of is not None and fault.boundary is not None:
        reader.mistake((*path, "of"), shown(fault.of), "none with a boundary, which falls to whoever crosses it")
    if fault.clock is not None and fault.of == ACTING:
        reader.mistake((*path, "of"), '"acting"', "the number of a daemon, since clocks belong to machines")
    if fault.way != "both" and fault.cut is None:
        reader.mistake((*path, "way"), shown(fault.way), "none but with a cut")
