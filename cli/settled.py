"""What a change within a period that runs comes to, as a person reads it."""

from typing import TYPE_CHECKING

from cli.output import say

if TYPE_CHECKING:
    from billing.change_within_period import Settled


def tell_settled(settled: "Settled | None", *, dry_run: bool) -> None:
    """A line for each period that is changed, and one for what that comes to."""
    if settled is None:
        return
    would = "would be" if dry_run else "is"
    for each in settled.periods:
        say(
            f"period {each.ordinal}: {each.days} of its {each.of_days} days are left, at {each.new_won:,} won a whole"
            f" period instead of {each.old_won:,}"
        )
    if settled.charged:
        say(f"{settled.charged:,} won {would} charged for them with the next run")
    elif settled.on_next_invoice:
        say(f"{settled.on_next_invoice:,} won {would} put on the next invoice: too little to be charged alone")
    elif settled.credited:
        say(f"{settled.credited:,} won {would} given to the customer as credit, which lowers their next invoices")
    else:
        say("nothing is charged or given back for them")
