import pytest

from simulator.faults import (
    DECLINES,
    Chance,
    Fault,
    FaultKind,
    FaultPlan,
    Place,
    UnreadableFault,
    choose,
    is_never_issued,
    parse_chance,
    parse_fault,
    parse_magic,
    parse_step,
)


def kinds(customer_uid: str, turns: int) -> list[str]:
    chosen = [choose(parse_magic(customer_uid), turns_before=turn) for turn in range(turns)]
    return ["ok" if fault is None else fault.kind for fault in chosen]


@pytest.mark.parametrize(
    ("customer_uid", "expected"),
    [
        ("c0042", ["ok", "ok", "ok"]),
        ("c0042.sim.decline.limit", ["decline", "decline", "decline"]),
        ("c0042.sim.decline_first.2.balance", ["decline", "decline", "ok"]),
        ("c0042.sim.drop_first.1", ["drop_answer", "ok", "ok"]),
        ("c0042.sim.hang_first.1", ["hang", "ok", "ok"]),
        ("c0042.sim.error500_first.1", ["error500", "ok", "ok"]),
        ("c0042.sim.drop_first.1.sim.decline_first.1.stolen", ["drop_answer", "decline", "ok"]),
        ("c0042.sim.error500_uncharged_first.1.sim.hang", ["error500_uncharged", "hang", "hang"]),
        ("name.with.dots.sim.late_answer.1500", ["late_answer", "late_answer", "late_answer"]),
    ],
)
def test_magic_uids_say_what_happens_at_every_turn(customer_uid: str, expected: list[str]) -> None:
    assert kinds(customer_uid, 3) == expected


@pytest.mark.parametrize(
    "customer_uid",
    ["c.sim.", "c.sim.nothing", "c.sim.decline.nothing", "c.sim.decline_first", "c.sim.hang_first.x", "c.sim.hang.5"],
)
def test_magic_uids_outside_the_grammar_are_refused(customer_uid: str) -> None:
    with pytest.raises(UnreadableFault):
        parse_magic(customer_uid)


@pytest.mark.parametrize("kind", FaultKind)
def test_every_fault_can_be_ordered_by_its_name(kind: FaultKind) -> None:
    assert parse_step(kind.value) == parse_fault(kind.value)
    assert kinds(f"c.sim.{kind}_first.1", 2) == [kind.value, "ok"]


@pytest.mark.parametrize("name", DECLINES)
def test_every_decline_has_an_inicis_code_in_brackets(name: str) -> None:
    assert parse_fault("decline", name).text == DECLINES[name]
    assert DECLINES[name].startswith("[")


def test_a_decline_may_have_any_text_in_a_sequence() -> None:
    assert parse_step({"decline": "120054 잔액부족"}) == Fault(kind=FaultKind.DECLINE, text="120054 잔액부족")
    assert parse_step("ok") is None


@pytest.mark.parametrize("step", [None, 1, {}, {"hang": None, "drop": None}, {"late_answer": "soon"}])
def test_steps_outside_the_grammar_are_refused(step: object) -> None:
    with pytest.raises(UnreadableFault):
        parse_step(step)


def test_chance_depends_on_seed_key_and_turn_only() -> None:
    chance = parse_chance(7, {"hang": 0.5})

    drawn = [chance.draw(key=f"order-{number}", asked_before=0) for number in range(200)]

    assert drawn == [chance.draw(key=f"order-{number}", asked_before=0) for number in range(200)]
    assert 50 < sum(fault is not None for fault in drawn) < 150
    assert drawn != [parse_chance(8, {"hang": 0.5}).draw(key=f"order-{n}", asked_before=0) for n in range(200)]


def test_a_probability_of_one_always_happens_and_of_none_never() -> None:
    assert all(parse_chance(1, {"hang": 1}).draw(key=str(key), asked_before=0) for key in range(50))
    assert not any(Chance(seed=1, faults=()).draw(key=str(key), asked_before=0) for key in range(50))


def test_a_sequence_is_used_up_before_the_magic_uid_has_its_say() -> None:
    plan = FaultPlan()
    card = "c.sim.decline.limit"
    plan.order_for_card(Place.CHARGE, card, [None, Fault(kind=FaultKind.HANG)])

    drawn = [
        plan.for_card(
            Place.CHARGE, customer_uid=card, merchant_uid="m", turns_of_card=lambda: 0, turns_of_order=lambda: 0
        )
        for _ in range(3)
    ]

    assert [fault and fault.kind for fault in drawn] == [None, FaultKind.HANG, FaultKind.DECLINE]


def test_only_the_magic_word_makes_a_card_unknown() -> None:
    assert is_never_issued("c.sim.unknown_customer")
    assert not is_never_issued("unknown_customer")
