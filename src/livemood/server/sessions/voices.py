"""Participants' baselines of a server's sessions: taken from the store, and kept in it again."""

import logging
from collections.abc import Sequence

from livemood.engine import Hub
from livemood.errors import LivemoodError
from livemood.model import Baseline, Model
from livemood.server.refused import Refused
from livemood.server.spec import SessionRecord, SessionSpec
from livemood.server.storage.interface import Storage, StorageError

log = logging.getLogger(__name__)


class Voices:
    """What is kept of those who speak, for sessions that ask for it. Any thread may call."""

    def __init__(self, hub: Hub, storage: Storage, *, wanted: bool) -> None:
        """`wanted` is whether readings are related to baselines at all."""
        self._storage = storage
        model = hub.model
        uses = isinstance(model, Model) and model.manifest.baseline is not None
        self._model = model if uses and wanted and isinstance(model, Model) else None

    def check(self, spec: SessionSpec) -> None:
        """Raise `Refused` if the session wants baselines kept that cannot be."""
        if not spec.keep_baselines:
            return
        if spec.kind == "recording":
            raise Refused("no_baselines", "baselines are kept of live sessions only", 422)
        if self._model is None:
            raise Refused("no_baselines", "baselines are not used by this server's model", 422)
        if not spec.participants or len(set(spec.participants)) != len(spec.participants):
            raise Refused(
                "bad_participants",
                "keep_baselines: name the participants, one for each channel, all different",
                422,
            )

    def of(self, record: SessionRecord) -> list[Baseline]:
        """The baselines of a session's channels, new ones where none is kept; or none at all.

        One that cannot be used, of an earlier model say, is left where it is and begun anew.
        """
        if self._model is None or not record.keep_baselines:
            return []
        found = []
        for name in record.participants:
            baseline = self._model.baseline()
            content = self._storage.baselines.get(record, name)
            if content is not None:
                try:
                    baseline.from_json(content)
                except LivemoodError:
                    log.warning("a kept baseline does not fit the model: a new one is begun")
            found.append(baseline)
        return found

    def keep(self, record: SessionRecord, baselines: Sequence[Baseline]) -> None:
        """Keep what is known at the end of a session. What fails is logged."""
        for name, baseline in zip(record.participants, baselines, strict=False):
            if not baseline.seconds:
                continue
            try:
                self._storage.baselines.keep(record, name, baseline.to_json())
            except StorageError:
                log.exception("a baseline cannot be kept: the one before stays")
