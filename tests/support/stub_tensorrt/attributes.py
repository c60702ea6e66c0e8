"""Which attributes of TensorRT's objects a source file uses, and whether a version has them.

Types are followed through the code: from the module and from parameters annotated with TensorRT's
class names, over assignments and loops, through the results that the bindings' own docstrings
promise. What cannot be followed is a problem too, so nothing goes unchecked.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

MODULE_NAME = "TensorRT"
ALIASES = {"Severity": "ILogger.Severity"}
FOREIGN_NAMES = {"nvonnxparser::IParserError": "ParserError"}
BUILTINS = ("bool", "bytes", "int", "len", "list", "min", "max", "range", "str", "tuple")
SAME_ELEMENTS = ("list", "tuple")

_RESULT = re.compile(r"^(?:(?:\d+\. )?\w+)?\((?:self|arg0)\b.*\) -> (.+?)\s*$", re.MULTILINE)
_CLASS = re.compile(r"tensorrt\w*\.tensorrt\w*\.([\w.]+)")


@dataclass(frozen=True)
class Value:
    """What is known of an expression: an object of TensorRT, its class, a method, or many."""

    kind: Literal["module", "class", "object", "method", "many", "unclear"]
    of: Any = None
    """Class; for ``method`` its docstring, for ``many`` the Value of each."""


Known: TypeAlias = Value | None
"""None: nothing of TensorRT's."""
Names: TypeAlias = dict[str, Known]


@dataclass
class Report:
    """What a source uses."""

    used: set[str] = field(default_factory=set)
    """As in ``INetworkDefinition.num_layers``."""
    problems: list[str] = field(default_factory=list)
    """Attributes that do not exist, and code that cannot be followed, with file and line."""


def check(trt: Any, sources: Sequence[tuple[str, str]]) -> Report:
    """Look up everything that sources use of a version of TensorRT.

    Args:
        trt: its bindings.
        sources: name and text of files that know each other's functions.
    """
    report = Report()
    trees = [(name, ast.parse(text)) for name, text in sources]
    nodes = [node for _, tree in trees for node in ast.walk(tree)]
    functions = {node.name: node.returns for node in nodes if isinstance(node, ast.FunctionDef)}
    variables = {
        ast.unparse(target)
        for node in nodes
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("TypeVar(")
        for target in node.targets
    }
    for name, tree in trees:
        _Reader(trt, functions, variables, name, report).block(tree.body, {})
    return report


class _Reader:
    """Follows the code of one file."""

    def __init__(
        self,
        trt: Any,
        functions: dict[str, ast.expr | None],
        variables: set[str],
        file: str,
        report: Report,
    ) -> None:
        self.trt, self.file, self.report = trt, file, report
        self.functions, self.variables = functions, variables

    def block(self, body: Sequence[ast.stmt], names: Names) -> None:
        for statement in body:
            self.statement(statement, names)

    def statement(self, node: ast.stmt, names: Names) -> None:
        match node:
            case ast.FunctionDef():
                inner = dict(names)
                for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                    inner[argument.arg] = self.annotated(argument.annotation)
                self.block(node.body, inner)
                names.update({name: inner[name] for name in inner if name.startswith("self.")})
            case ast.ClassDef():
                for base in node.bases:
                    self.overrides(self.value(base, names), node)
                self.block(node.body, dict(names))
            case ast.AnnAssign():
                known = self.annotated(node.annotation)
                found = self.value(node.value, names) if node.value else None
                names[ast.unparse(node.target)] = known or found
            case ast.Assign():
                found = self.value(node.value, names)
                for target in node.targets:
                    self.bind(target, node.value, found, names)
            case ast.For():
                self.bind_element(node.target, self.value(node.iter, names), names)
                self.block([*node.body, *node.orelse], names)
            case ast.With():
                for item in node.items:
                    self.value(item.context_expr, names)
                self.block(node.body, names)
            case _:
                for part in ast.iter_child_nodes(node):
                    self.part(part, names)

    def part(self, node: ast.AST, names: Names) -> None:
        """A piece of a statement or expression of which only the pieces matter."""
        if isinstance(node, ast.stmt):
            self.statement(node, names)
        elif isinstance(node, ast.expr):
            self.value(node, names)
        else:
            for part in ast.iter_child_nodes(node):
                self.part(part, names)

    def value(self, node: ast.expr, names: Names) -> Known:
        match node:
            case ast.Name() | ast.Attribute() if (key := ast.unparse(node)) in names:
                return names[key]
            case ast.Attribute():
                return self.attribute(self.value(node.value, names), node)
            case ast.Call():
                return self.call(node, names)
            case ast.Subscript():
                found = self.value(node.value, names)
                self.value(node.slice, names)
                if found and found.kind == "many":
                    return found if isinstance(node.slice, ast.Slice) else found.of
                return found
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self.comprehension(node, names)
            case ast.Lambda():
                return self.value(node.body, names)
            case ast.BoolOp():
                values = [self.value(part, names) for part in node.values]
                return next(filter(None, values), None)
            case ast.NamedExpr():
                names[node.target.id] = found = self.value(node.value, names)
                return found
            case ast.IfExp():
                self.value(node.test, names)
                return self.value(node.body, names) or self.value(node.orelse, names)
        for part in ast.iter_child_nodes(node):
            self.part(part, names)
        return None

    def attribute(self, owner: Known, node: ast.Attribute) -> Known:
        name = node.attr
        if owner is None or name.startswith("__"):
            return None
        if owner.kind in ("method", "many", "unclear"):
            return self.problem(node, "cannot be followed")
        where = self.trt if owner.kind == "module" else owner.of
        used = name if owner.kind == "module" else f"{owner.of.__qualname__}.{name}"
        self.report.used.add(used)
        if not hasattr(where, name):
            return self.problem(node, f"does not exist: {used}")
        found = getattr(where, name)
        if isinstance(found, type):
            return Value("class", found)
        if owner.kind == "class" and name in getattr(where, "__members__", {}):
            return Value("object", where)
        if isinstance(found, property):
            return self.documented(found.fget.__doc__ if found.fget else None)
        return Value("method", found.__doc__) if callable(found) else None

    def call(self, node: ast.Call, names: Names) -> Known:
        function = self.value(node.func, names)
        arguments = [self.value(argument, names) for argument in node.args]
        arguments += [self.value(keyword.value, names) for keyword in node.keywords]
        if function and function.kind == "class":
            return Value("object", function.of)
        if function and function.kind == "method":
            return self.documented(function.of)
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name in SAME_ELEMENTS and arguments and arguments[0] and arguments[0].kind == "many":
            return arguments[0]
        if name and (name in BUILTINS or name[0].isupper()):  # or an object of another class
            return None
        returns = self.functions.get(name or "")
        if returns and ast.unparse(returns) not in self.variables:
            return self.annotated(returns)
        return Value("unclear") if any(arguments) else None

    def comprehension(self, node: Any, names: Names) -> Known:
        inner = dict(names)
        for generator in node.generators:
            self.bind_element(generator.target, self.value(generator.iter, inner), inner)
            for condition in generator.ifs:
                self.value(condition, inner)
        if isinstance(node, ast.DictComp):
            self.value(node.key, inner)
            element = self.value(node.value, inner)
        else:
            element = self.value(node.elt, inner)
        return Value("many", element) if element else None

    def bind(self, target: ast.expr, source: ast.expr, found: Known, names: Names) -> None:
        if isinstance(target, ast.Attribute) and (owner := self.value(target.value, names)):
            self.attribute(owner, target)
        elif not isinstance(target, ast.Tuple):
            names[ast.unparse(target)] = found
        elif isinstance(source, ast.Tuple) and len(source.elts) == len(target.elts):
            for part, value in zip(target.elts, source.elts, strict=True):
                self.bind(part, value, self.value(value, names), names)
        else:
            self.bind_element(target, Value("many", found) if found else None, names)

    def bind_element(self, target: ast.expr, elements: Known, names: Names) -> None:
        element = elements.of if elements and elements.kind == "many" else elements
        for part in target.elts if isinstance(target, ast.Tuple) else [target]:
            names[ast.unparse(part)] = element

    def overrides(self, base: Known, node: ast.ClassDef) -> None:
        """Methods of a class derived from TensorRT's must be ones that TensorRT calls."""
        for method in node.body:
            if not base or not isinstance(method, ast.FunctionDef) or method.name[0] == "_":
                continue
            self.report.used.add(f"{base.of.__qualname__}.{method.name}")
            if not hasattr(base.of, method.name):
                self.problem(method, f"overrides nothing: {base.of.__qualname__}.{method.name}")

    def annotated(self, annotation: ast.expr | None) -> Known:
        match annotation:
            case ast.Name(id=name) if name == MODULE_NAME:
                return Value("module")
            case ast.Name(id=name):
                return self.named(ALIASES.get(name, name))
            case ast.BinOp(left=left, right=right):
                return self.annotated(left) or self.annotated(right)
            case ast.Subscript(slice=ast.Name() as element):
                found = self.annotated(element)
                return Value("many", found) if found else None
        return None

    def documented(self, text: str | None) -> Known:
        """What a docstring of the bindings says about a result."""
        results = {FOREIGN_NAMES.get(result, result) for result in _RESULT.findall(text or "")}
        if len(results) != 1:
            return Value("unclear")
        (result,) = results
        inside = _CLASS.search(result)
        if inside and inside.group() != result:
            return Value("unclear")
        found = self.named(inside.group(1) if inside else result)
        return Value("unclear") if "::" in result and not found else found

    def named(self, path: str) -> Known:
        found = self.trt
        for part in path.split("."):
            found = getattr(found, part, None)
        return Value("object", found) if isinstance(found, type) else None

    def problem(self, node: ast.AST, text: str) -> Value:
        line = getattr(node, "lineno", 0)
        code = ast.unparse(node).splitlines()[0]
        self.report.problems.append(f"{self.file}:{line}: {code} {text}")
        return Value("unclear")
