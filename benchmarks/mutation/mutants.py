"""Mutants of a source file: each small change of its meaning, one at a time, as the text of the changed file."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARISONS = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.Pow: ast.Mult,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change in one file."""

    file: Path
    line: int
    change: str
    """What was, and what is there instead."""
    source: str
    """The whole file with the change."""


def mutants_of(file: Path) -> list[Mutant]:
    """All mutants of a file, in the order of its lines."""
    source = file.read_text(encoding="utf-8")
    mutants = []
    for node, replacement in _changes(ast.parse(source)):
        before = (ast.get_source_segment(source, node) or "").partition("\n")[0][:70]
        change = f"{before}  =>  {replacement.partition(chr(10))[0][:70]}"
        mutants.append(Mutant(file, node.lineno, change, _replaced(source, node, replacement)))
    return sorted(mutants, key=lambda mutant: mutant.line)


def _changes(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Nodes, each with the source that stands in its place. Text that people read, annotations and docstrings stay."""
    silent = {id(part) for node in ast.walk(tree) for part in _silent(node)}
    for node in ast.walk(tree):
        if id(node) not in silent:
            yield from ((node, ast.unparse(ast.fix_missing_locations(changed))) for changed in _variants(node))


def _silent(node: ast.AST) -> Iterator[ast.AST]:
    """Parts whose change no test should notice: annotations, messages of errors, docstrings, imports."""
    quiet: list[ast.AST | None] = []
    match node:
        case ast.FunctionDef():
            arguments = [part for part in ast.walk(node.args) if isinstance(part, ast.arg)]
            quiet = [node.returns, *(argument.annotation for argument in arguments), *node.decorator_list]
        case ast.AnnAssign():
            quiet = [node.annotation]
        case ast.Assign(targets=[ast.Tuple()], value=ast.Tuple()):
            yield node.value  # the values taken apart; what each of them holds is not silent
        case ast.Raise() | ast.JoinedStr() | ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
            quiet = [node]
    for part in quiet:
        if part is not None:
            yield from ast.walk(part)


def _variants(node: ast.AST) -> Iterator[ast.AST]:
    """The changed nodes that may stand in the place of ``node``."""
    match node:
        case ast.Compare(left=left, ops=[operator, *rest], comparators=comparators) if type(operator) in COMPARISONS:
            yield ast.Compare(left, [COMPARISONS[type(operator)](), *rest], comparators)
        case ast.BoolOp(op=operator, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
            yield from (ast.BoolOp(operator, rest) if len(rest) > 1 else rest[0] for rest in _without_each(values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in ARITHMETIC and not _is_path(node):
            yield ast.BinOp(left, ARITHMETIC[type(operator)](), right)
        case ast.IfExp(body=body, orelse=orelse):
            yield from (body, orelse)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.Tuple(elts=elements, ctx=ast.Load()) | ast.List(elts=elements, ctx=ast.Load()) if _is_list(elements):
            yield from (type(node)(rest, ast.Load()) for rest in _without_each(elements))
        case ast.Set(elts=elements) if len(elements) > 1:
            yield from (ast.Set(rest) for rest in _without_each(elements))
        case ast.Call(func=function, args=arguments, keywords=keywords) if keywords:
            yield from (ast.Call(function, arguments, rest) for rest in _without_each(keywords))
        case ast.Return(value=ast.Constant(value=None) | None):
            return
        case ast.Return():
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Continue():
            yield ast.Pass()
        case ast.Break():
            yield ast.Continue()


def _is_path(node: ast.BinOp) -> bool:
    """Whether ``/`` joins a path, as far as its last part tells: no arithmetic of it could run."""
    if not isinstance(node.op, ast.Div):
        return False
    match node.right:
        case ast.JoinedStr() | ast.Constant(value=str()):
            return True
        case ast.Name(id=name):
            return name.isupper() or name.endswith("name")
    return False


def _is_list(elements: list[ast.expr]) -> bool:
    """Whether these are several values, and no index of an array."""
    return len(elements) > 1 and not any(isinstance(element, ast.Slice) for element in elements)


def _without_each(items: list) -> Iterator[list]:
    """The list without its first, its second, ... item."""
    return (items[:index] + items[index + 1 :] for index in range(len(items)))


def _replaced(source: str, node: ast.AST, replacement: str) -> str:
    """The source with other text where ``node`` stands, an expression in brackets."""
    lines = source.encode().splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    text = replacement if isinstance(node, ast.stmt) else f"({replacement})"
    return (source.encode()[:start] + text.encode() + source.encode()[end:]).decode()
