"""Answers for what a forked program finds imported: what `tidings` imports for a daemon, and for its commands.

Only the process that programs are forked from imports it. It must never start a thread or open a file, since no fork
takes either along whole.
"""

import gc

import anyio._backends._asyncio  # Like the next two it would be imported late, once for each program.
import pydantic.type_adapter
import pydantic.types
import uvloop

import adapters.acting
import adapters.daemon
import adapters.sealing
import eventstore.postgres.log
import eventstore.sqlite.checking
import eventstore.sqlite.sharing
import scenarios.console
import scenarios.explore.telling
import scenarios.run.judging
import scenarios.run.telling
import tests.forking.programs

__all__ = ["adapters", "anyio", "eventstore", "pydantic", "scenarios", "tests", "uvloop"]

# A collection in a forked program would write to the pages of all these modules, and so make a copy of each.
gc.freeze()
