"""Reading one file of an archive, in whatever process or machine that happens."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from livemood.batch.files import ArchiveFile
from livemood.batch.tables import Row, channel_rows, segment_rows
from livemood.engine import About, AnyModel, MonitorSettings, analyze_file
from livemood.engine.extensions import open_model, reader_of
from livemood.errors import LivemoodError
from livemood.sources import BlockSource
from livemood.timeline.export import to_json


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one file."""

    file: ArchiveFile
    text: str | None = None
    """Its timeline as JSON, as far as it could be read; none if nothing could."""
    failure: str | None = None
    """What went wrong, in one line."""
    channels: tuple[Row, ...] = ()
    segments: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class FileReader:
    """Reads files of an archive, all in one way. Can be pickled."""

    settings: MonitorSettings
    model: str
    provider: str
    open_source: Callable[[str], BlockSource]
    """Opens a path. Raises `LivemoodError` if it cannot be read."""
    participants: tuple[str, ...] = ()

    def __call__(self, file: ArchiveFile) -> Outcome:
        """What comes of a file; only what is wrong with all files is raised, as `LivemoodError`."""
        model = _loaded(self.model, self.provider)
        try:
            timeline, failure = analyze_file(
                self.open_source(file.path),
                model,
                self.settings,
                about=About(participants=self.participants),
            )
        except LivemoodError as error:
            return Outcome(file, failure=str(error))
        except Exception as error:  # a file nobody thought of must not end the run
            return Outcome(file, failure=f"{file.path}: {type(error).__name__}: {error}")
        found = timeline.to_json()
        return Outcome(
            file,
            to_json(timeline),
            str(failure) if failure else None,
            tuple(channel_rows(file.name, found)),
            tuple(segment_rows(file.name, found)),
        )

    def use(self, model: AnyModel) -> None:
        """Take a model that this process has loaded already."""
        _models[self.model, self.provider] = model

    def describe(self) -> dict[str, Any]:
        """What results depend on: the model and the settings."""
        info = reader_of(_loaded(self.model, self.provider)).info
        return {
            "model": {"name": info.name, "version": info.version},
            "settings": self.settings.model_dump(mode="json"),
            "participants": list(self.participants),
        }


_models: Final[dict[tuple[str, str], AnyModel]] = {}


def _loaded(name: str, provider: str) -> AnyModel:
    """The model of this process, loaded once."""
    if (name, provider) not in _models:
        _models[name, provider] = open_model(name, provider)
    return _models[name, provider]
