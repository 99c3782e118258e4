"""One server of three is killed under load: nothing is lost, and clients wait no longer than the others need."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from libs.shared.topology import queue_of
from tests.chaos.loads import ends_well, goes_on, uploading
from tests.support.clusters import ReplicaSet, broker_cluster, replica_set
from tests.support.stack import run_stack
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(400)

COUNTS = {"api": 1, "decoder": 1, "thumbnailer": 1}
AFTER_ELECTION_SECONDS = 30
"""What a driver needs to find the new primary, and our clients to try again, on a busy machine."""


def elected_after(cluster: ReplicaSet, killed: int) -> float:
    """How long it takes until another member is primary."""
    started = time.monotonic()
    eventually(lambda: cluster.primary() not in (None, killed), 90, "another member is elected")
    return time.monotonic() - started


def test_the_primary_of_three_databases_is_killed_under_load(tmp_path: Path, amqp_url: str) -> None:
    with replica_set(tmp_path) as cluster, MongoClient[dict[str, Any]](cluster.url, tz_aware=True) as mongo:
        stack = run_stack(tmp_path, mongo, cluster.url, amqp_url, COUNTS, ALBUM_CHECK_AFTER_SECONDS="10")
        try:
            load = uploading(stack)
            goes_on(load)

            primary = cluster.primary()
            assert primary is not None
            cluster.members[primary].kill()
            election = elected_after(cluster, primary)
            started = time.monotonic()
            goes_on(load)
            print(f"elected after {election:.1f} s, five uploads {time.monotonic() - started:.1f} s later")
            assert time.monotonic() - started < AFTER_ELECTION_SECONDS

            cluster.members[primary].start()
            goes_on(load)
            ends_well(load)
        finally:
            stack.stop()


def test_the_leader_of_the_queues_of_three_brokers_is_killed_under_load(tmp_path: Path, mongo_url: str) -> None:
    with broker_cluster(tmp_path) as cluster, MongoClient[dict[str, Any]](mongo_url, tz_aware=True) as mongo:
        stack = run_stack(tmp_path, mongo, mongo_url, cluster.url, COUNTS, ALBUM_CHECK_AFTER_SECONDS="10")
        try:
            load = uploading(stack)
            goes_on(load)

            leaders = [cluster.leader_of(queue_of(stage)) for stage in ("decoder", "thumbnailer", "api")]
            # The node with the management API is spared, and another one leads something or nothing.
            victim = next((name for name in leaders if name != next(iter(cluster.nodes))), list(cluster.nodes)[1])
            cluster.nodes[victim].kill()
            goes_on(load)
            cluster.nodes[victim].start()
            goes_on(load)
            ends_well(load)
            assert not load.troubles
        finally:
            stack.stop()
