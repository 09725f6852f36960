"""How a state machine moves: a table, and one function that reads it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from domain.errors import IllegalTransition

if TYPE_CHECKING:
    from collections.abc import Mapping


State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


def advance(table: Mapping[tuple[State, Event], State], state: State, event: Event) -> State:
    """The state after an event.

    Raises:
        IllegalTransition: The table does not list it.
    """
    try:
        return table[state, event]
    except KeyError:
        raise IllegalTransition(f"{type(state).__name__} {state} does not take {event}") from None
