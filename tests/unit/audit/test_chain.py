"""The chain of the audit log shows what was done to it, and says honestly what it cannot show."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import anyio
import pytest

from libs.audit.entries import GENESIS, Anchor, Breach, Entry, Fact, Verdict, chained, digest, verify

FACTS = [
    Fact(
        event_id=f"event-{number}",
        type="io.album.image.uploaded.v1",
        subject="image",
        sequence=number,
        time=f"2026-11-22T08:00:0{number}.000Z",
        album_id="album",
        image_id="image",
        owner="Zoë",
        actor=None,
    )
    for number in range(1, 7)
]


@pytest.fixture
def log() -> list[Entry]:
    return list(chained(GENESIS, FACTS))


def checked(log: Sequence[Entry], *anchors: Anchor) -> Verdict:
    async def entries() -> AsyncIterator[Entry]:
        for entry in log:
            yield entry

    async def check() -> Verdict:
        return await verify(entries(), anchors)

    return anyio.run(check)


def anchor(entry: Entry) -> Anchor:
    return Anchor(entry["position"], entry["hash"])


def signed(entry: Entry) -> Entry:
    """As someone would leave it who knows how the hash is made."""
    return {**entry, "hash": digest(entry)}


def test_a_log_as_it_was_written_is_in_order(log: list[Entry]) -> None:
    assert checked(log, *map(anchor, log)) == Verdict(anchor(log[-1]))
    assert checked([]) == Verdict(GENESIS)


def test_the_hash_can_be_computed_by_anyone_from_an_exported_line(log: list[Entry]) -> None:
    exported = json.loads(json.dumps(log[3]))

    claimed = exported.pop("hash")
    canonical = json.dumps(exported, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert hashlib.sha256(canonical.encode()).hexdigest() == claimed
    assert exported["previous"] == log[2]["hash"]


@pytest.mark.parametrize("field", next(chained(GENESIS, FACTS)))
def test_an_entry_with_any_field_changed_is_named(log: list[Entry], field: str) -> None:
    log[2] = {**log[2], field: 99 if field == "position" else "another"}

    breach = checked(log).breach

    assert breach is not None
    assert breach.position == 3


TAMPERING: dict[str, tuple[Callable[[list[Entry]], Any], int, str]] = {
    "a field added": (lambda log: log[2].update(note="x"), 3, "was changed"),
    "a value of a foreign type": (lambda log: log[2].update(actor=object()), 3, "was changed"),
    "removed": (lambda log: log.pop(2), 3, "is missing"),
    "the first removed": (lambda log: log.pop(0), 1, "is missing"),
    "put in between": (lambda log: log.insert(2, signed({**log[2], "position": 2.5})), 3, "was put in, at 2.5"),
    "put in beyond numbers": (lambda log: log.append(signed({**log[5], "position": "7"})), 7, "was put in, at '7'"),
    "contents swapped": (lambda log: log.insert(2, {**log.pop(3), "position": 3}), 3, "was changed"),
    "replaced and signed": (lambda log: log.insert(2, signed({**log.pop(2), "owner": "eve"})), 3, "was replaced"),
    "first one replaced": (
        lambda log: log.insert(0, signed({**log.pop(0), "owner": "eve"})),
        1,
        "was replaced",
    ),
    "cut loose and signed": (
        lambda log: log.insert(2, signed({name: of for name, of in log.pop(2).items() if name != "previous"})),
        3,
        "was replaced",
    ),
    "unhooked and signed": (lambda log: log.insert(2, signed({**log.pop(2), "previous": "0" * 64})), 3, "was replaced"),
}


@pytest.mark.parametrize(("tamper", "position", "problem"), TAMPERING.values(), ids=TAMPERING)
def test_the_first_entry_that_was_tampered_with_is_named(
    log: list[Entry], tamper: Callable[[list[Entry]], Any], position: int, problem: str
) -> None:
    tamper(log)

    verdict = checked(log)

    assert verdict.breach == Breach(position, problem)


def test_a_cut_at_the_end_shows_against_an_anchor_alone(log: list[Entry]) -> None:
    kept = anchor(log[5])

    assert checked(log[:4]).breach is None
    assert checked(log[:4], kept).breach == Breach(5, "is missing, and all that followed it")


def test_a_log_written_anew_shows_against_an_anchor_alone(log: list[Entry]) -> None:
    kept = anchor(log[4])
    head = Anchor(log[1]["position"], log[1]["hash"])
    anew = [*log[:2], *chained(head, [FACTS[4], *FACTS[3:]])]

    assert checked(anew).breach is None
    breach = checked(anew, kept).breach
    assert breach is not None
    assert breach.position == 5


def test_no_anchor_makes_up_for_another_one_of_its_position(log: list[Entry]) -> None:
    kept = anchor(log[2])

    breach = checked(log, Anchor(kept.position, "0" * 64), kept).breach

    assert breach is not None
    assert breach.position == kept.position


def test_an_anchor_stays_good_while_the_log_grows(log: list[Entry]) -> None:
    assert checked(log, anchor(log[2])).breach is None
