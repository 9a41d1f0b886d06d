"""Answers for how these tests load a configuration: from a text, below a directory of their own."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from adapters.config.loading import Config, Mistaken, load

Load = Callable[..., Config]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Loads a text as the file `tidings.toml` under the given environment; None means that there is no file."""

    def load_text(text: str | None, environ: Mapping[str, str] | None = None) -> Config:
        file = tmp_path / "tidings.toml"
        if text is not None:
            file.write_text(text)
        return load(None if text is None else file, data=tmp_path, environ=environ or {})

    return load_text


@pytest.fixture
def mistakes(loaded: Load) -> Callable[..., list[str]]:
    """The mistakes of a text, each as `line key: seen; expected`, where the line is 0 for one without."""

    def mistakes_of(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(Mistaken) as mistaken:
            loaded(text, environ)
        found = mistaken.value.mistakes
        assert all(one.where.endswith("tidings.toml") or one.where.startswith("environment variable") for one in found)
        return [f"{one.line or 0} {one.at}: {one.seen}; {one.expected}" for one in found]

    return mistakes_of
