"""Commands about what customers were told of a change of price."""

import typer

from billing.record_consent import record_notice, record_notices
from cli.opening import opened_database
from cli.options import Actor, AsJson, DryRun, Reason, by
from cli.said import File, Id, Ref, TextVersion, Through, ToldAt, import_said, tell_recorded
from domain.consent_file import NOTICE_COLUMNS, read_said

app = typer.Typer(no_args_is_help=True, help="What customers were told of a change of price, and when.")


@app.callback()
def _group() -> None:
    """What customers were told of a change of price, and when."""


@app.command()
def record(  # noqa: PLR0913, PLR0917 - options
    subscription: Id,
    told_at: ToldAt,
    through: Through,
    reason: Reason,
    text_version: TextVersion = None,
    ref: Ref = None,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Write down that a customer was told of the change of price that is ahead of a subscription."""
    who = by(actor, reason)
    said = read_said(
        {
            "subscription": subscription,
            "told_at": told_at,
            "through": through,
            "text_version": text_version or "",
            "ref": ref or "",
        },
        at="told_at",
    )
    with opened_database() as (settings, database):
        recorded = record_notice(database, said, by=who, dry_run=dry_run)
    tell_recorded(recorded, "notice", settings.timezone, as_json=as_json, dry_run=dry_run)


@app.command("import")
def import_(
    file: File,
    reason: Reason,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Write down the notices of a file; rows that cannot be taken are refused by line, the others are kept."""
    import_said(file, NOTICE_COLUMNS, record_notices, by(actor, reason), dry_run=dry_run, as_json=as_json)
