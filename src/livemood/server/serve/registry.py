"""The sessions of a server, as its settings want them."""

from functools import partial

from livemood.engine import AnyModel, Hub, MonitorSettings
from livemood.engine.extensions import reader_of
from livemood.notify import Notifier, Outbox, load_notify_settings, try_receivers
from livemood.presets import load_preset
from livemood.server.access.policy import load_policy
from livemood.server.peers.interface import Peers
from livemood.server.serve.settings import ServeSettings, monitor_settings
from livemood.server.sessions.admission import Admission
from livemood.server.sessions.sessions import Sessions
from livemood.server.storage.archive import Archive
from livemood.server.storage.folder import Keeper
from livemood.server.storage.postgresql.opening import open_database

CHANNEL_COST = 0.008
"""Share of a processor that a channel takes, before that is known."""


def open_sessions(
    settings: ServeSettings,
    model: AnyModel,
    monitor: MonitorSettings | None = None,
    peers: Peers | None = None,
    keeper: Keeper | None = None,
) -> Sessions:
    """The sessions and their storage, which is to be closed at the end. Raises `LivemoodError`.

    `peers` are other processes with the same data folder; `keeper` says which of all does what only
    one may do.
    """
    policy = load_policy(settings.policy)
    preset = load_preset(settings.preset) if settings.preset else None
    if preset:
        policy = policy.limited(preset.purposes, preset.name)
    how = monitor or monitor_settings(settings, model)
    notify = load_notify_settings(settings.alerts) if settings.alerts else None
    if notify:
        notify.check_labels(reader_of(model).info.labels)
        how = how.model_copy(update={"alerts": (*how.alerts, *notify.alerts)})
        targets = notify.targets()
    elif preset:
        preset.check_labels(reader_of(model).info.labels)
        how = how.model_copy(update={"alerts": (*how.alerts, *preset.alerts)})
    sessions = Sessions(
        Hub(model, busiest=1.0),
        Archive(
            settings.data,
            policy.version,
            keeper=keeper,
            database=open_database(settings.data, settings.database),
        ),
        policy,
        how,
        settings.limits,
        Admission(settings.busiest, CHANNEL_COST),
        peers,
    )
    sessions.default_retention_days = settings.retention_days
    if preset and "retention_days" not in settings.model_fields_set:
        sessions.default_retention_days = preset.retention_days
    if notify:
        outbox = Outbox(settings.data / "outbox.db")
        dead = settings.data / "undelivered.jsonl"
        turn = None if keeper is None else keeper.may
        sessions.flow.notify_by(Notifier(targets, outbox, dead, turn=turn))
        if targets:
            sessions.flow.try_receivers = partial(try_receivers, notify)
    info = sessions.hub.model_info
    sessions.metrics.describe(name=info.name, version=info.version, provider=info.provider)
    return sessions
