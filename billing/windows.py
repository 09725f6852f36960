"""Maintenance windows come and go: data that a person edits, in force from the next claim on, audited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from domain.errors import BadInput, NotFound
from domain.window import NIGHTLY, Window, check_window, next_open
from models.ids import new_id
from models.queries import brake, installation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from billing.change_subscription import By
    from models.session import Database, Transaction

#: Who gives a channel its first window.
_ENGINE: Final = "engine"


def add_window(database: Database, window: Window, *, channel: str | None, by: By, dry_run: bool = False) -> UUID:
    """Hold automatic charges back at these times, of one channel or of all (None); gives the window's id.

    Raises:
        BadInput: It cannot be used, or leaves no time to charge at all.
    """
    check_window(window)
    with database.transaction() as tx:
        known = installation.known_channels(tx)
        if channel is not None and channel not in known:
            raise BadInput(f"there is no channel {channel!r}; there are {', '.join(known)}")
        for each in known if channel is None else [channel]:
            _refuse_never_open(tx, each, window)
        row = _row(tx, window, channel=channel, note=by.reason)
        window_id: UUID = row["id"]
        if not dry_run:
            brake.write_window(tx, row)
            _audit(tx, "window.added", window_id, by.actor, by.reason, row)
    return window_id


def remove_window(database: Database, window_id: UUID, *, by: By, dry_run: bool = False) -> Row[Any]:
    """Take a window away: what it held back is charged from the next tick on. Gives the window.

    Raises:
        NotFound: There is none.
    """
    with database.transaction() as tx:
        found = brake.find_window(tx, window_id)
        if found is None or not (dry_run or brake.delete_window(tx, window_id)):
            raise NotFound(f"there is no window {window_id}; `jeonggi window list` shows those there are")
        if not dry_run:
            _audit(tx, "window.removed", window_id, by.actor, by.reason, dict(found._mapping))  # noqa: SLF001 - public
    return found


def give_first_windows(tx: Transaction, channels: Sequence[str]) -> None:
    """Give channels behind which real money moves the nightly window, once: who removes it is not given it again."""
    if not channels:
        return
    for channel in brake.claim_first_windows(tx, channels):
        row = _row(tx, NIGHTLY, channel=channel, note="nightly maintenance at KG Inicis and the card companies")
        brake.write_window(tx, row)
        _audit(tx, "window.added", row["id"], _ENGINE, row["note"], row)


def _refuse_never_open(tx: Transaction, channel: str, window: Window) -> None:
    """Windows that leave no time at all would lose charges silently."""
    standing: Iterable[Window] = brake.windows_of(tx, channel)
    for_same_cards = [each for each in standing if each.issuer_code in {None, window.issuer_code}]
    if next_open([*for_same_cards, window], tx.now) is None:
        raise BadInput(f"together with the windows that stand it leaves channel {channel} no time to charge at all")


def _row(tx: Transaction, window: Window, *, channel: str | None, note: str) -> dict[str, Any]:
    return {
        "id": new_id(tx.real),
        "channel": channel,
        "issuer_code": window.issuer_code,
        "begins": window.begins,
        "ends": window.ends,
        "timezone": window.zone_name,
        "weekdays": sorted(window.weekdays),
        "nth": window.nth,
        "note": note,
    }


def _audit(tx: Transaction, action: str, window_id: UUID, actor: str, reason: str, row: dict[str, Any]) -> None:
    installation.write_audit(
        tx,
        actor=actor,
        action=action,
        subject="window",
        subject_id=window_id,
        reason=reason,
        channel=row["channel"],
        issuer_code=row["issuer_code"],
        begins=f"{row['begins']:%H:%M}",
        ends=f"{row['ends']:%H:%M}",
        timezone=row["timezone"],
        weekdays=list(row["weekdays"]),
        nth=row["nth"],
    )
