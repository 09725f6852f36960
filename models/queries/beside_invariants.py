"""SQL of the invariants of what stands beside prices: used once, never beyond what there is, and on its lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.queries.beside import WAITS

if TYPE_CHECKING:
    from collections.abc import Mapping

BESIDE_BROKEN: Final[Mapping[str, str]] = {
    "credit_is_the_sum_of_its_entries": (
        "SELECT a.customer_id, a.balance || ' won of credit, its entries are ' || coalesce(sum(e.amount), 0)"
        " FROM credit_account a LEFT JOIN credit_entry e ON e.customer_id = a.customer_id GROUP BY a.customer_id"
        " HAVING a.balance <> coalesce(sum(e.amount), 0) OR a.balance < 0"
    ),
    "credit_used_is_on_its_invoice": (
        "SELECT i.id, 'lowered by ' || -coalesce(l.won, 0) || ' won of credit, entries use ' || -coalesce(e.won, 0)"
        " FROM (SELECT invoice_id, sum(amount) AS won FROM invoice_line WHERE kind = 'credit' GROUP BY 1) l"
        " FULL JOIN (SELECT invoice_id, sum(amount) AS won FROM credit_entry WHERE kind = 'used' GROUP BY 1) e"
        " ON e.invoice_id = l.invoice_id JOIN invoice i ON i.id = coalesce(l.invoice_id, e.invoice_id)"
        " WHERE l.won IS DISTINCT FROM e.won"
    ),
    "credit_comes_back_with_a_void_invoice": (
        "SELECT i.id, 'invoice is ' || i.state || ', of ' || -u.amount || ' won of credit came back '"
        " || coalesce(r.amount, 0) FROM credit_entry u JOIN invoice i ON i.id = u.invoice_id"
        " LEFT JOIN credit_entry r ON r.invoice_id = u.invoice_id AND r.kind = 'returned'"
        " WHERE u.kind = 'used' AND (CASE WHEN i.state = 'void' THEN -u.amount ELSE 0 END) <> coalesce(r.amount, 0)"
    ),
    "item_is_owed_once": (
        "SELECT i.id, 'invoice is ' || i.state || ', its item lines are ' || coalesce(l.won, 0) || ' won, its items '"
        " || coalesce(w.won, 0)"
        " FROM (SELECT invoice_id, sum(amount) AS won FROM invoice_line WHERE kind = 'item' GROUP BY 1) l"
        " FULL JOIN (SELECT invoice_id, sum(quantity * unit_amount) AS won FROM invoice_item"
        "  WHERE invoice_id IS NOT NULL GROUP BY 1) w"
        " ON w.invoice_id = l.invoice_id JOIN invoice i ON i.id = coalesce(l.invoice_id, w.invoice_id)"
        " WHERE (CASE WHEN i.state = 'void' THEN 0 ELSE coalesce(l.won, 0) END) <> coalesce(w.won, 0)"
    ),
    "coupon_is_used_for_its_periods": (
        "SELECT s.id, coalesce(l.count, 0) || ' invoices are lowered by a coupon, ' || coalesce(r.used, 0)"
        " || ' periods of coupons are used'"
        " FROM (SELECT i.subscription_id, count(*) AS count FROM invoice_line n JOIN invoice i ON i.id = n.invoice_id"
        "  WHERE n.kind = 'coupon' GROUP BY 1) l"
        " FULL JOIN (SELECT subscription_id, sum(used) AS used FROM redemption GROUP BY 1) r"
        " ON r.subscription_id = l.subscription_id"
        " JOIN subscription s ON s.id = coalesce(l.subscription_id, r.subscription_id)"
        " WHERE coalesce(l.count, 0) <> coalesce(r.used, 0)"
    ),
    "coupon_counts_its_redemptions": (
        "SELECT c.code, 'redeemed ' || c.redeemed || ' times, subscriptions have it ' || count(r.id) || ' times'"
        " FROM coupon c LEFT JOIN redemption r ON r.coupon_id = c.id GROUP BY c.id HAVING c.redeemed <> count(r.id)"
    ),
    "nothing_carried_is_lost": (
        "SELECT s.id, s.carried || ' won are carried, by its invoices ' || coalesce(l.won, 0) FROM subscription s"
        " LEFT JOIN (SELECT i.subscription_id, -sum(n.amount) AS won FROM invoice_line n JOIN invoice i"
        "  ON i.id = n.invoice_id WHERE n.kind = 'carried' AND i.state <> 'void' GROUP BY 1) l"
        " ON l.subscription_id = s.id WHERE s.carried <> coalesce(l.won, 0)"
    ),
    "change_within_a_period_is_settled": (
        "SELECT x.subscription_id, 'change ' || x.number || ' comes to ' || x.all_won || ' won, its periods to ' ||"
        " x.won || ', what settles it to ' || coalesce(i.amount, w.quantity * w.unit_amount, -e.amount, 0)"
        " FROM (SELECT subscription_id, number, sum(won) AS won, min(all_won) AS all_won, max(all_won) AS most,"
        "  (array_agg(invoice_id))[1] AS invoice_id, (array_agg(item_id))[1] AS item_id,"
        "  min(credit_entry_id) AS credit_entry_id FROM proration GROUP BY subscription_id, number) x"
        " LEFT JOIN invoice i ON i.id = x.invoice_id LEFT JOIN invoice_item w ON w.id = x.item_id"
        " LEFT JOIN credit_entry e ON e.id = x.credit_entry_id"
        " WHERE (x.all_won, x.most) <> (x.won, x.won)"
        " OR coalesce(i.amount, w.quantity * w.unit_amount, -e.amount, 0) <> x.won"
        " OR i.subscription_id <> x.subscription_id OR i.ordinal <> x.number OR i.purpose <> 'change'"
        " UNION ALL SELECT i.id, 'owes ' || i.amount || ' won for a change that nobody made' FROM invoice i"
        " WHERE i.purpose = 'change' AND NOT EXISTS (SELECT FROM proration x WHERE x.invoice_id = i.id)"
    ),
}

BESIDE_ATTENTION: Final[Mapping[str, str]] = {
    "item_of_an_ended_subscription": (
        "SELECT w.id, w.description || ': ' || w.quantity * w.unit_amount || ' won wait for subscription '"
        f" || w.subscription_id FROM invoice_item w JOIN subscription s ON s.id = w.subscription_id WHERE {WAITS}"
        " AND s.state = 'ended'"
    ),
}
