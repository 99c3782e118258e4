"""What follows from a failed attempt: when to try again, whom to leave alone, and when to give up."""

from __future__ import annotations

import random
from datetime import timedelta

from libs.webhooks.records import Claim, Reason, SigningWebhook
from libs.webhooks.sending import Verdict
from services.notifier.sender import Outcome
from services.notifier.settings import NotifierSettings

GROWTH = 4
JITTER = 0.2
GONE = 410
UNWELL = frozenset({429, 502, 503, 504})
"""Statuses that speak of the receiver rather than of what was sent to it."""
LONGEST_PAUSE_SECONDS = 60.0
"""For which a webhook that does not answer is left alone; when it answers again, it gets all that is due at once."""
LONGEST_RETRY_AFTER_SECONDS = 3600.0


def judge(settings: NotifierSettings, webhook: SigningWebhook, claimed: Claim, outcome: Outcome) -> Verdict:
    """What to do after a failure, as Standard Webhooks recommends it ("Deliverability and reliability").

    A delivery is tried for ``retry_period_hours`` with growing pauses. A webhook is disabled at once when it says that
    it is gone, and when a delivery is given up while nothing has succeeded for ``disable_after_days``.
    """
    attempt = outcome.attempt
    now = attempt.at + timedelta(seconds=attempt.duration_seconds)
    asked = min(outcome.retry_after or 0.0, LONGEST_RETRY_AFTER_SECONDS)
    if attempt.status == GONE:
        return Verdict(reason="gone")
    retry_at = now + timedelta(seconds=max(pause_seconds(settings, claimed.tries), asked))
    paused_until = None
    if asked or attempt.status is None or attempt.status in UNWELL:
        pause = min(pause_seconds(settings, webhook.failures), LONGEST_PAUSE_SECONDS)
        paused_until = now + timedelta(seconds=max(pause, asked))
    if retry_at <= claimed.started_at + timedelta(hours=settings.retry_period_hours):
        return Verdict(retry_at=retry_at, paused_until=paused_until)
    reason: Reason | None = None
    if now - (webhook.failing_since or now) >= timedelta(days=settings.disable_after_days):
        reason = "failing"
    return Verdict(paused_until=paused_until, reason=reason)


def pause_seconds(settings: NotifierSettings, failures: int) -> float:
    """The pause after so many failures before: exponential, with jitter."""
    pause = min(settings.retry_first_seconds * GROWTH ** min(failures, 30), settings.retry_longest_seconds)
    return float(pause * random.uniform(1 - JITTER, 1 + JITTER))
