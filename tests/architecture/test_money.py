"""Are won whole numbers from end to end?"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from tests.support.source_tree import Module, calls, listed, modules

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A name is money if one of its words is, and it is not the id of something.
MONEY: Final = {"amount", "amounts", "won", "price", "prices"}
#: What turns won into something else than whole won.
INEXACT: Final = {"float", "Decimal", "Fraction"}

_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[0-9]+")
_MEND: Final = "Won are int: count in whole won, divide with // and say where the rest goes."


def is_money(name: str) -> bool:
    words = [word.lower() for word in _WORD.findall(name)]
    return any(word in MONEY for word in words) and words[-1] != "id"


def holds_money(node: ast.AST) -> bool:
    """Whether an expression reads something that is money by its name."""
    for inner in ast.walk(node):
        match inner:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=str(name))):
                if is_money(name):
                    return True
            case _:
                pass
    return False


def inexact_money(module: Module) -> list[str]:
    return [f"{module.path}:{line} {what}" for line, what in _found(module.tree)]


def _found(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()) if holds_money(node):
                yield node.lineno, "divides money with /"
            case ast.BinOp(op=ast.Mult() | ast.Add() | ast.Sub()) if holds_money(node) and _has_float(node):
                yield node.lineno, "reckons money with a fraction"
            case ast.AnnAssign(target=target, annotation=annotation) if holds_money(target) and _is_inexact(annotation):
                yield node.lineno, "declares money as a fraction"
            case ast.arg(arg=name, annotation=ast.expr() as annotation) if is_money(name) and _is_inexact(annotation):
                yield node.lineno, "takes money as a fraction"
            case ast.FunctionDef(name=name, returns=ast.expr() as returns) if is_money(name) and _is_inexact(returns):
                yield node.lineno, "returns money as a fraction"
            case ast.Assign(targets=targets, value=ast.Constant(value=float())) if any(map(holds_money, targets)):
                yield node.lineno, "sets money to a fraction"
    for name, node in calls(tree):
        if name in INEXACT and any(holds_money(argument) for argument in node.args):
            yield node.lineno, f"turns money into {name}"


def _has_float(node: ast.BinOp) -> bool:
    return any(isinstance(side, ast.Constant) and isinstance(side.value, float) for side in (node.left, node.right))


def _is_inexact(annotation: ast.expr) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id in INEXACT for inner in ast.walk(annotation))


def test_no_fraction_comes_near_money() -> None:
    found = [told for module in modules() if module.path != "tests/architecture/test_money.py"
             for told in inexact_money(module)]  # fmt: skip

    assert found == [], listed(found, _MEND)


def test_every_column_of_money_is_a_whole_number() -> None:
    tables = [module for module in modules(("models",)) if "/queries/" not in module.path]
    found = [
        f"{module.path}:{node.lineno} {node.target.id}"
        for module in tables
        for node in ast.walk(module.tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and is_money(node.target.id)
        if ast.unparse(node.annotation) not in {"Mapped[Won]", "Mapped[Won | None]"}
    ]

    assert found == [], listed(found, "Declare it Mapped[Won]: a BIGINT of whole won.")


def test_the_check_can_fail() -> None:
    bad = (
        "half = amount / 2",
        "row['amount'] /= 2",
        "x = float(invoice.amount)",
        "x = Decimal(total_won)",
        "amount = 9900.0",
        "def f(amount_won: float) -> None: ...",
        "def due_won() -> Decimal | None: ...",
        "class A:\n    amount: float = 0",
        "x = amount * 1.1",
    )

    for text in bad:
        assert inexact_money(Module(path="billing/bad.py", text=text)), text
    for text in ("x = amount // 2", "rate = count / seconds", "isinstance(amount, float)", "def f(amount: int): ..."):
        assert inexact_money(Module(path="billing/good.py", text=text)) == [], text
