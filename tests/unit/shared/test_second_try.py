"""A decode child may die after it has written its result; the second try must not add to what the first one left."""

from __future__ import annotations

from libs.shared.spool import Spool
from services.decoder.pixels import decode_file
from services.decoder.settings import DecoderSettings
from services.thumbnailer.pixels import shrink_file
from tests.support.pictures import picture


def test_a_picture_that_is_decoded_twice_is_written_once() -> None:
    with Spool() as source, Spool() as encoded, Spool() as preview:
        source.append(picture("PNG", 1300, 900))
        decode_file(source, encoded, preview, DecoderSettings())
        first = encoded.read(), preview.read()

        decode_file(source, encoded, preview, DecoderSettings())

        assert (encoded.read(), preview.read()) == first
        assert all(first)


def test_a_thumbnail_that_is_made_twice_is_written_once() -> None:
    with Spool() as source, Spool() as target:
        source.append(picture("JPEG", 640, 400))
        shrink_file(source, target, 320, 80)
        first = target.read()

        shrink_file(source, target, 320, 80)

        assert target.read() == first
