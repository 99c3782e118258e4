"""The corpus through the real stack: each file ends as the table in the documentation says."""

from __future__ import annotations

import pytest

from tests.support.corpus import is_there
from tests.support.corpus_table import TABLE, Outcome, outcomes, table
from tests.support.stack import Stack
from tests.support.traces import traces

__test__ = is_there()
"""Without a corpus there is nothing to upload."""


@pytest.fixture(scope="module")
def of_corpus(stack: Stack) -> list[Outcome]:
    return outcomes(stack.url)


def test_every_file_ends_as_the_documentation_says(of_corpus: list[Outcome]) -> None:
    assert table(of_corpus) == TABLE.read_text()


def test_nothing_that_is_shown_carries_metadata(of_corpus: list[Outcome]) -> None:
    shown = [(outcome.entry.name, traces(output)) for outcome in of_corpus for output in outcome.outputs]
    assert shown
    assert [(name, found) for name, found in shown if found] == []
