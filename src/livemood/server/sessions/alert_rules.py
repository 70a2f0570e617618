"""Which alert rules hold in which session: the server's, those given by REST, a session's own."""

import logging
from collections.abc import Iterator, Sequence

from livemood.errors import UsageError
from livemood.server.access.policy import Policy
from livemood.server.refused import Refused
from livemood.server.spec import SessionRecord, SessionSpec
from livemood.server.storage.alert_rules import StoredRule
from livemood.server.storage.interface import Storage
from livemood.timeline.alert_rules import AlertRule, AlertRules

log = logging.getLogger(__name__)

MOST = 100
"""Rules that a server keeps by REST, or that hold in one session."""


class SessionRules:
    """The rules of a server. Any thread may call."""

    def __init__(
        self,
        storage: Storage,
        policy: Policy,
        fixed: Sequence[AlertRule],
        labels: Sequence[str],
    ) -> None:
        """`fixed` are those of the server's settings; `labels` is what its model can say."""
        self._storage, self._policy = storage, policy
        self.fixed, self._labels = tuple(fixed), tuple(labels)
        for rule in fixed:
            left_out = [p for p in policy.allowed if not policy.may_watch(rule, p)]
            if left_out and not rule.purposes:
                log.warning(
                    "alert %r names no channel: the policy leaves it out of sessions for %s",
                    rule.name,
                    ", ".join(left_out),
                )

    def of(self, record: SessionRecord) -> tuple[AlertRule, ...]:
        """What holds in a session that begins now. Raises `StorageError`."""
        found: dict[str, AlertRule] = {}
        for rule in (*self.fixed, *self._kept(), *record.alerts):
            if self._policy.may_watch(rule, record.purpose):
                found.setdefault(rule.name, rule)
        return tuple(found.values())[:MOST]

    def add(self, rule: AlertRule, created_by: str, who: str) -> StoredRule:
        """Keep a rule for the sessions that begin from now on. Raises `Refused`."""
        self._check_labels([rule])
        for purpose in sorted(rule.purposes):
            self._policy.check_rule(rule, purpose)
        if len(self._storage.alert_rules.find()) >= MOST:
            raise Refused("too_many_rules", f"{MOST} alert rules are kept: delete some", 409)
        taken = rule.name in {fixed.name for fixed in self.fixed}
        kept = None if taken else self._storage.alert_rules.add(rule, created_by, who)
        if kept is None:
            raise Refused("rule_exists", f"there is an alert rule {rule.name!r} already", 409)
        return kept

    def check(self, spec: SessionSpec) -> None:
        """Raise `Refused` for a session's own rules that cannot be, or must not."""
        if not spec.alerts:
            return
        self._check_labels(spec.alerts)
        names = {rule.name for rule in (*self.fixed, *self._kept())}
        for rule in spec.alerts:
            self._policy.check_rule(rule, spec.purpose)
            if rule.name in names:
                raise Refused("rule_exists", f"there is an alert rule {rule.name!r} already", 409)
            names.add(rule.name)

    def _kept(self) -> Iterator[AlertRule]:
        return (kept.rule for kept in self._storage.alert_rules.find())

    def _check_labels(self, rules: Sequence[AlertRule]) -> None:
        for rule in rules:
            try:
                AlertRules(alerts=(rule,)).check_labels(self._labels)
            except UsageError as error:
                raise Refused("bad_rule", str(error), 422) from None
