"""What a file crops away is not shown, whichever of the two formats says so and wherever the rest lies."""

from __future__ import annotations

import pytest
from PIL import Image

from libs.shared.errors import Rejection
from libs.shared.settings import LimitSettings
from services.decoder.settings import DecoderSettings
from tests.support.boxes import Ratio, clap, imir, irot, with_transforms
from tests.support.decoding import difference, opened, processed
from tests.support.pictures import picture, scene

SIZE = (200, 128)
NEAR = 6.0

containers = pytest.mark.parametrize("format", ["HEIF", "AVIF"])


def whole(*numbers: int) -> tuple[Ratio, ...]:
    return tuple((number, 1) for number in numbers)


@containers
@pytest.mark.parametrize(
    ("numbers", "box"),
    [
        (whole(100, 64), (50, 32, 150, 96)),
        (whole(100, 64, -50, -32), (0, 0, 100, 64)),
        (whole(100, 64, -20, 10), (30, 42, 130, 106)),
        (whole(100, 64, 50, 32), (100, 64, 200, 128)),
        (whole(200, 128), (0, 0, 200, 128)),
        (((99, 1), (63, 1), (1, 2), (-1, 2)), (51, 32, 150, 95)),
        (((199, 2), (64, 1), (1, 4), (0, 1)), (50, 32, 150, 96)),
    ],
)
def test_only_the_clean_aperture_is_shown(format: str, numbers: tuple[Ratio, ...], box: tuple[int, ...]) -> None:
    work = processed(with_transforms(picture(format, *SIZE), clap(*numbers)))
    assert difference(opened(work.encoded), scene(*SIZE).crop((box[0], box[1], box[2], box[3]))) < NEAR
    assert work.shown.size == (box[2] - box[0], box[3] - box[1])


@containers
def test_the_rest_is_turned_after_the_crop(format: str) -> None:
    turned = with_transforms(picture(format, *SIZE), clap(*whole(100, 64, -20, 10)), irot(1), imir(1))
    shown = scene(*SIZE).crop((30, 42, 130, 106)).rotate(90, expand=True).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert difference(opened(processed(turned).encoded), shown) < NEAR


def test_alpha_is_cropped_along() -> None:
    upload = with_transforms(picture("AVIF", *SIZE, mode="RGBA"), clap(*whole(100, 64)))
    assert difference(opened(processed(upload).encoded), scene(*SIZE, "RGBA").crop((50, 32, 150, 96))) < NEAR


@pytest.mark.parametrize(
    "numbers",
    [
        whole(0, 64),
        whole(100, 0),
        whole(201, 64),
        whole(100, 64, 51),
        whole(100, 64, 0, -33),
        ((100, 0), (64, 1)),
        ((100, 1), (64, 1), (0, 0), (0, 1)),
        ((1, 4), (64, 1)),
    ],
)
def test_an_aperture_that_no_picture_can_have_crops_nothing(numbers: tuple[Ratio, ...]) -> None:
    upload = with_transforms(picture("AVIF", *SIZE), clap(*numbers))
    assert processed(upload).shown.size == SIZE


def test_the_limits_hold_for_the_picture_before_the_crop() -> None:
    upload = with_transforms(picture("AVIF", *SIZE), clap(*whole(100, 64)))
    with pytest.raises(Rejection) as caught:
        processed(upload, DecoderSettings(limits=LimitSettings(max_width=199)))
    assert caught.value.code == "dimensions-too-large"


def film_with(*transforms: bytes) -> bytes:
    """An AVIF of two frames whose still has these; the samples of its track, all in one chunk, move along."""
    film = picture("AVIF", *SIZE, frames=2)
    grown = with_transforms(film, *transforms)
    place = grown.index(b"stco") + 12
    offset = int.from_bytes(grown[place : place + 4], "big") + len(grown) - len(film)
    return grown[:place] + offset.to_bytes(4, "big") + grown[place + 4 :]


def test_the_crop_of_a_still_is_not_that_of_the_film_beside_it() -> None:
    work = processed(film_with(clap(*whole(100, 64))))
    assert work.is_animated
    assert work.shown.size == SIZE
