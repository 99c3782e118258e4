"""What every request needs is found without a thread."""

from __future__ import annotations

from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any, get_args

from services.api import dependencies


def test_no_dependency_of_a_route_is_taken_into_another_thread() -> None:
    declared: list[Any] = [value for name, value in vars(dependencies).items() if name.endswith("Dependency")]
    found = [marker.dependency for each in declared for marker in get_args(each)[1:]]

    assert len(found) >= 5
    taken = [each for each in found if not iscoroutinefunction(each) and not isasyncgenfunction(each)]
    assert [function.__name__ for function in taken] == []
