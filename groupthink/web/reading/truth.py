"""Whether what is written out is true as it stands: who computes with the figures shown comes to the one shown."""

import ast
import operator
import re
from fractions import Fraction
from math import comb, sqrt

ARITHMETIC = re.compile(r"([0-9.+\-x/(), ]|sqrt|C)+")
"""All that a side that can be computed is made of."""

OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def holds(equation: str, decimals: int = 0) -> bool:
    """Whether the last figure is what stands before it comes to, rounded: to its decimals, or to so many, of which
    zeros at its end were left out. What is no arithmetic is not doubted.

    >>> holds("0.984 - 0.766 = +0.218"), holds("0.984 - 0.766 = +0.219"), holds("average = 0.5")
    (True, False, True)
    """
    *before, right = equation.split(" = ")
    if not before or not ARITHMETIC.fullmatch(before[-1]) or "..." in before[-1]:
        return True
    left = _value(ast.parse(before[-1].replace("x", "*"), mode="eval").body)
    shown = right.strip("()")
    unit = Fraction(1, 10 ** max(decimals, len(shown.partition(".")[2])))
    return abs(left - Fraction(shown)) * 2 <= unit


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as value):
            return Fraction(repr(value))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=op, right=right):
            return Fraction(OPERATORS[type(op)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id="sqrt"), args=[inner]):
            return Fraction(sqrt(_value(inner)))
        case ast.Call(func=ast.Name(id="C"), args=[n, k]):
            return Fraction(comb(int(_value(n)), int(_value(k))))
    raise ValueError(f"no arithmetic: {ast.unparse(node)}")
