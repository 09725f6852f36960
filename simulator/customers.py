"""What do the calls about billing keys do?

Source: PortOne V1 documentation, REST API, subscribe.customer.
"""

from simulator.call import BadQuery, Call
from simulator.cards import read_card
from simulator.faults import is_never_issued
from simulator.lookups import missing_customer
from simulator.orders import read_mid, stored_details
from simulator.simulation import Simulation
from simulator.wire import BAD_CARD, LENGTHS, Answer, Refused, annotate_customer, refusal, success


def get_customer(simulation: Simulation, call: Call) -> Answer:
    """GET /subscribe/customers/{customer_uid}."""
    customer_uid = call.path["customer_uid"]
    row = simulation.customer(call.account, customer_uid, now=call.now)
    return missing_customer(customer_uid) if row is None else success(annotate_customer(row))


def get_customers(simulation: Simulation, call: Call) -> Answer:
    """GET /subscribe/customers?customer_uid[]=: 207 if some of them are unknown, 404 if all are."""
    wanted = call.lists.get("customer_uid[]", ())
    if not wanted:
        raise BadQuery("customer_uid[] 파라메터는 필수입니다.")
    rows = [simulation.customer(call.account, customer_uid, now=call.now) for customer_uid in dict.fromkeys(wanted)]
    found = [annotate_customer(row) for row in rows if row is not None]
    if not found:
        return missing_customer(", ".join(wanted))
    return success(found, status=200 if len(found) == len(rows) else 207)


def issue_customer(simulation: Simulation, call: Call) -> Answer:
    """POST /subscribe/customers/{customer_uid}: a card already there is replaced without a word."""
    customer_uid, fields = call.path["customer_uid"], call.fields
    if len(customer_uid) > LENGTHS["customer_uid"]:
        raise BadQuery(f"customer_uid 파라메터는 최대 {LENGTHS['customer_uid']}자입니다.")
    try:
        card, mid = read_card(fields, customer_uid=customer_uid, now=call.now), read_mid(call.account, fields)
    except Refused as refused:
        return refused.answer
    if is_never_issued(customer_uid):
        return refusal(BAD_CARD, code=-1)
    simulation.ledger.issue_customer(
        call.account.name, customer_uid, mid=mid, card=card, now=call.now, details=stored_details(fields)
    )
    return get_customer(simulation, call)


def delete_customer(simulation: Simulation, call: Call) -> Answer:
    """DELETE /subscribe/customers/{customer_uid}: the card cannot be charged any more; its schedules stay, and fail."""
    answer = get_customer(simulation, call)
    if answer.code == 0:
        simulation.ledger.delete_customer(call.account.name, call.path["customer_uid"], now=call.now)
    return answer
