"""Commands about what customers said to a change of price, and what can be shown about them."""

from typing import Annotated

import typer

from billing.export_evidence import export_evidence
from billing.record_consent import record_consent, record_consents
from cli.opening import opened_database
from cli.options import Actor, AsJson, DryRun, Reason, by
from cli.output import say_json
from cli.said import File, GivenAt, Id, Ref, TextVersion, Through, import_said, tell_recorded
from domain.consent_file import CONSENT_COLUMNS, read_said

app = typer.Typer(no_args_is_help=True, help="What customers said to a change of price; evidence about one of them.")


@app.command()
def record(  # noqa: PLR0913, PLR0917 - options
    subscription: Id,
    given_at: GivenAt,
    through: Through,
    reason: Reason,
    text_version: TextVersion = None,
    ref: Ref = None,
    refused: Annotated[bool, typer.Option("--refused", help="They do not agree, or no more.")] = False,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Write down a customer's answer to the change of price that is ahead of a subscription."""
    who = by(actor, reason)
    said = read_said(
        {
            "subscription": subscription,
            "given_at": given_at,
            "through": through,
            "text_version": text_version or "",
            "ref": ref or "",
            "answer": "refused" if refused else "agreed",
        },
        at="given_at",
    )
    with opened_database() as (settings, database):
        recorded = record_consent(database, said, by=who, dry_run=dry_run)
    tell_recorded(recorded, f"answer {said.answer}", settings.timezone, as_json=as_json, dry_run=dry_run)


@app.command("import")
def import_(
    file: File,
    reason: Reason,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Write down the answers of a file; rows that cannot be taken are refused by line, the others are kept."""
    import_said(file, CONSENT_COLUMNS, record_consents, by(actor, reason), dry_run=dry_run, as_json=as_json)


@app.command()
def export(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER_REF", help="Whose.")],
) -> None:
    """All that can be shown about one customer, as JSON: consents, notices, what was owed, paid and given back."""
    with opened_database() as (_, database), database.reading() as tx:
        document = export_evidence(tx, customer)
    say_json(document)
