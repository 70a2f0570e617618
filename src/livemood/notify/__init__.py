"""Alerts on their way to people: webhooks, MQTT and what Apprise reaches.

A notifier is a sink. It writes each alert to an outbox and returns; a thread for each target
delivers from there, in order, at least once, also after a restart.
"""

from livemood.notify.notifier import Notifier
from livemood.notify.outbox import Outbox
from livemood.notify.settings import NotifySettings, load_notify_settings
from livemood.notify.trial import Tried, try_receivers

__all__ = [
    "Notifier",
    "NotifySettings",
    "Outbox",
    "Tried",
    "load_notify_settings",
    "try_receivers",
]
