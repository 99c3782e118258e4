"""Pictures that others made, through the decode pool: what is sound becomes ready, what is not gets its code."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from libs.shared.errors import Rejection
from libs.shared.imaging import probe
from libs.shared.spool import Spool
from tests.support import children
from tests.support.corpus import Entry, entries, is_there
from tests.support.decoding import Stages, difference, opened, stages, visible
from tests.support.traces import traces

pytestmark = pytest.mark.anyio

__test__ = is_there()
"""Without a corpus there is nothing to collect here."""

every_entry = pytest.mark.parametrize("entry", entries() if is_there() else [], ids=lambda entry: entry.name)

BETTER_THAN_PILLOW = {
    "png_decompression_dos.png": "its text is a bomb, its picture is not",
    "cicp_pq.png": "only ancillary chunks have a wrong checksum",
    "unknown_compression_method.png": "only its profile cannot be read",
}
"""What Pillow alone refuses although browsers show it."""
DAMAGED = {"corrupt-image", "truncated-image", "unsupported-codec"}
NEAR = 4.0
"""Of 255 levels: what one JPEG or WebP encoding may cost."""


@pytest.fixture(scope="module")
async def both() -> AsyncIterator[Stages]:
    async with stages() as both:
        yield both


@every_entry
def test_the_header_never_claims_more_than_is_so(entry: Entry) -> None:
    content = entry.read()
    for length in (0, 4, 16, 64, 512, 4096, 255 * 1024):
        header = probe(content[:length])
        if header.is_format_settled:
            assert header.format == entry.format
        if header.width is not None:
            assert (header.width, header.height) == entry.size


@every_entry
async def test_a_sound_picture_becomes_ready_and_any_other_gets_its_code(both: Stages, entry: Entry) -> None:
    content = entry.read()
    with Spool() as source, Spool() as reference:
        source.append(content)
        verdict = await judged(both, source, reference, entry)
        wanted = children.picture_of(reference.read()) if verdict.is_sound else None
    is_wanted = verdict.is_sound and both.decoder.settings.limits.allows(*verdict.size)
    if not is_wanted and entry.path.name not in BETTER_THAN_PILLOW:
        with pytest.raises(Rejection) as caught:
            await both.encode(content)
        assert caught.value.code in codes(entry, verdict)
        return
    event = await both.encode(content)
    output = both.blobs.blobs[event.encoded.blob_id]
    assert traces(output) == []
    assert (event.width, event.height) == opened(output).size
    if wanted is None:
        assert entry.path.name in BETTER_THAN_PILLOW
    elif not is_hdr(entry):
        assert difference(visible(opened(output)), visible(wanted)) <= NEAR
    thumbnail = await both.shrink(event)
    assert max(thumbnail.width, thumbnail.height) <= 320
    assert traces(both.blobs.blobs[thumbnail.thumbnail.blob_id]) == []


async def judged(both: Stages, source: Spool, reference: Spool, entry: Entry) -> children.Verdict:
    if entry.format is None:
        return children.Verdict(False, (0, 0))
    return await both.decoder.offload.run(children.judge, source, reference, entry.format)


def is_hdr(entry: Entry) -> bool:
    """PQ or HLG, which Pillow shows as if it were sRGB."""
    return "/16" in entry.note or "/18" in entry.note


def codes(entry: Entry, verdict: children.Verdict) -> set[str]:
    """The codes that fit a file that is not to become ready."""
    if entry.format is None:
        return {"unsupported-format"}
    return {"dimensions-too-large"} if verdict.is_sound else DAMAGED | {"dimensions-too-large"}
