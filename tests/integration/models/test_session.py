"""What do callers see of a database that breaks: in doubt, in trouble, a row refused? Real PostgreSQL, a real line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import text

from domain.errors import Misconfigured
from models.session import CommitInDoubt, Database, DatabaseTrouble, RowsRefused, Transaction
from tests.fakes.gateway import Fate
from tests.support.cut_line import Cut, CutLine, cut_line
from tests.support.house import House

if TYPE_CHECKING:
    from collections.abc import Iterator

from billing.claim_due import claim_due
from billing.token_in_hand import token_in_hand


@pytest.fixture
def line(database_url: str) -> Iterator[CutLine]:
    with cut_line(database_url) as built:
        yield built


@pytest.fixture
def database(line: CutLine) -> Iterator[Database]:
    opened = Database(line.url, pool_size=2)
    yield opened
    opened.close()


@pytest.fixture
def house(database_url: str, database: Database) -> House:
    """A house whose line to the database can be cut."""
    return House(database_url, database=database)


def _add(tx: Transaction, digest: str = "d") -> None:
    tx.connection.exec_driver_sql(
        f"INSERT INTO seen_token VALUES ('{digest}', 'default', 1, clock_timestamp(), clock_timestamp())"
    )


def _count(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT count(*) FROM seen_token").fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.parametrize(("cut", "is_there"), [(Cut.AFTER_COMMIT, 1), (Cut.BEFORE_COMMIT, 0)])
def test_a_commit_that_raised_is_in_doubt_whether_it_happened_or_not(
    line: CutLine, database: Database, database_url: str, cut: Cut, is_there: int
) -> None:
    line.cut(cut)

    with pytest.raises(CommitInDoubt), database.transaction() as tx:
        _add(tx)

    assert _count(database_url) == is_there
    with database.transaction() as tx:  # the broken connection is not handed out again
        _add(tx, "another")
    assert _count(database_url) == is_there + 1


def test_a_line_that_breaks_before_the_commit_is_trouble_and_nothing_was_written(
    line: CutLine, database: Database, database_url: str
) -> None:
    def write() -> None:
        with database.transaction() as tx:
            line.cut(Cut.NOW)
            _add(tx)

    with pytest.raises(DatabaseTrouble):
        write()

    assert _count(database_url) == 0


def test_a_line_that_broke_while_idle_is_not_noticed_by_anybody(line: CutLine, database: Database) -> None:
    with database.reading() as tx:
        assert tx.now == tx.real
    line.cut(Cut.NOW)

    with database.reading() as tx:
        assert tx.now == tx.real


def test_a_refused_row_names_its_guard_and_holds_no_value(database: Database) -> None:
    with database.transaction() as tx:
        _add(tx, "secret-value")

    with pytest.raises(RowsRefused, match="pk_seen_token") as refused, database.transaction() as tx:
        _add(tx, "secret-value")

    assert "secret-value" not in str(refused.value)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 / 0",
        "UPDATE billing_clock SET rate = 2147483648",
        "SELECT 'x'::integer",
    ],
)
def test_data_that_cannot_be_taken_is_a_refused_row(database: Database, statement: str) -> None:
    with pytest.raises(RowsRefused), database.transaction() as tx:
        tx.connection.exec_driver_sql(statement)


def test_a_text_that_postgresql_cannot_hold_is_a_refused_row(database: Database) -> None:
    with pytest.raises(RowsRefused), database.transaction() as tx:
        tx.connection.execute(text("UPDATE channel_state SET name = :name"), {"name": "a\0b"})


def test_a_lock_that_is_not_given_is_trouble(database: Database, database_url: str) -> None:
    with psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE seen_token")

        with pytest.raises(DatabaseTrouble), database.transaction() as tx:
            tx.connection.exec_driver_sql("LOCK TABLE seen_token NOWAIT")


def test_what_raised_inside_is_rolled_back_and_comes_out_as_it_was(database: Database, database_url: str) -> None:
    def write() -> None:
        with database.transaction() as tx:
            _add(tx)
            raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        write()

    assert _count(database_url) == 0


def test_a_reading_writes_nothing(database: Database, database_url: str) -> None:
    with pytest.raises(DatabaseTrouble), database.reading() as tx:
        _add(tx)

    assert _count(database_url) == 0


def test_a_reading_sees_one_instant(database: Database) -> None:
    with database.reading() as tx:
        before = tx.connection.exec_driver_sql("SELECT count(*) FROM seen_token").scalar()
        with database.transaction() as other:
            _add(other)

        assert tx.connection.exec_driver_sql("SELECT count(*) FROM seen_token").scalar() == before


def test_a_database_that_is_not_there_is_told_without_its_password() -> None:
    database = Database("postgresql://somebody:geheim@127.0.0.1:1/nowhere")

    with pytest.raises(Misconfigured, match="does not answer") as told:
        database.check()
    with pytest.raises(DatabaseTrouble) as trouble, database.transaction():
        pass

    assert "geheim" not in f"{told.value}{trouble.value}"


@pytest.mark.parametrize(("cut", "state"), [(Cut.AFTER_COMMIT, "not_executed"), (Cut.BEFORE_COMMIT, None)])
def test_a_doubtful_claim_is_never_sent_and_what_it_claimed_is_handed_back(
    line: CutLine, house: House, cut: Cut, state: str | None
) -> None:
    subs = [house.subscription() for _ in range(3)]
    house.tick()
    token = token_in_hand(house.ports)
    line.cut(cut, nth=2)  # the first grants the rate, the second is commit 1

    batch = claim_due(house.ports, token, at_most=10)

    assert batch is None
    assert not house.gateway.asked
    assert house.states("charge_attempt") == ({} if state is None else {state: len(subs)})
    house.advance(seconds=30)
    house.charge()
    assert house.paid_at_gateway() == {house.uid(sub, 0)[:-3]: 1 for sub in subs}
    assert house.value("SELECT max(send_no) FROM send") == (1 if state is None else 2)


@pytest.mark.parametrize("cut", [Cut.AFTER_COMMIT, Cut.BEFORE_COMMIT])
@pytest.mark.parametrize("fate", [Fate.APPROVE, Fate.DECLINE])
def test_a_doubtful_recording_loses_nothing_and_doubles_nothing(
    line: CutLine, house: House, cut: Cut, fate: Fate
) -> None:
    sub = house.subscription()
    house.tick()
    house.gateway.script(house.uid(sub, 0), fate)
    token_in_hand(house.ports)
    # Commits of a run: the rate, the claim, what of the rate was not used, the recording of the answer.
    line.cut(cut, nth=4)

    with pytest.raises(CommitInDoubt):
        house.charge()
    house.settle()

    state = {Fate.APPROVE: "approved", Fate.DECLINE: "declined"}[fate]
    assert house.states("charge_attempt") == {state: 1}
    assert len(house.gateway.asked) == 1
    assert house.value("SELECT count(*) FROM payment") == (fate is Fate.APPROVE)
