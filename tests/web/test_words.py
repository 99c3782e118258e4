"""Sentences of the page for what the server says in codes and numbers."""

from __future__ import annotations

from typing import get_args

from libs.shared.errors import FailureCode
from tests.web.screen import Screen

REASONS = """async (codes) => {
  const { reason } = await import('/assets/any/scripts/words.js');
  return codes.map((code) => reason(code, `untranslated ${code}`));
}"""

WEIGHTS = """async (lengths) => {
  const { bytes } = await import('/assets/any/scripts/words.js');
  return lengths.map(bytes);
}"""


def test_every_reason_that_a_job_can_fail_for_has_a_sentence_of_its_own(screen: Screen) -> None:
    codes = list(get_args(FailureCode))
    sentences = screen.open().page.evaluate(REASONS, codes)
    assert not [sentence for sentence in sentences if "ntranslated" in sentence]
    assert len(set(sentences)) == len(codes)


def test_how_heavy_a_file_is_is_told_in_decimal_units(screen: Screen) -> None:
    told = {1: "1 byte", 999: "999 bytes", 1000: "1 kB", 351_014: "351 kB", 1_000_000: "1.0 MB", 52_428_800: "52.4 MB"}
    assert screen.open().page.evaluate(WEIGHTS, list(told)) == list(told.values())
