"""One breach of a law, as it is told."""

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen, in one sentence; `at_us` is log time, `streams` are those that it is about."""

    words: str
    at_us: int | None = None
    streams: tuple[int, ...] = ()
