"""Reads pickles as data: runs the opcodes that torch.save writes, and calls nothing but its own builders.

Python's unpickler would call and import what a pickle asks for. It also allocates what a pickle claims (6
bytes ask for a memo of 2**32 places) and hashes what a pickle makes a key of (of a tuple that holds another
twice, which holds another twice, 60 levels deep, that takes years). Here a class that the file names stays a
name, an object of it the state that was pickled; keys are text and small numbers; memory and time grow with
the pickle's length alone.
"""

import pickletools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pickle import UnpicklingError
from typing import IO, Any

MOST_BYTES = 1 << 18
"""The largest pickle in bytes; a training state's takes 17 kB, a published network's 34 kB. So many opcodes
take 0.3 s."""
_MOST_NUMBER_KEY = 1 << 20
"""Numbers below it are their own hashes, so none can be made to collide."""
_MOST_NUMBER = 1 << 127
"""The legacy format starts with a number of 80 bits."""
_LONGEST_NAME = 255
_STANDARD = sys.stdlib_module_names | {"__builtin__"}


@dataclass(frozen=True)
class Named:
    """What a file names of some module; nothing of it is looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Inert:
    """An object of a class that is unknown here: its pickled state, and nothing else."""

    kind: Named
    state: dict[str, Any] = field(default_factory=dict)


Builder = Callable[..., Any]


class _Mark:
    """Where on the stack a group of values starts."""


_MARK = _Mark()


def unpickle(stream: IO[bytes], known: dict[tuple[str, str], Any], persistent: Builder) -> Any:
    """The value of the pickle that starts where `stream` stands; it is left at the pickle's end.

    Args:
        stream: to read and tell in.
        known: what may be named, by module and name: values, and builders, which may be called, too.
        persistent: makes a value of a reference to something outside of the pickle.

    Raises:
        UnpicklingError: the pickle wants to act, or is too long.
        Exception: it is damaged, in one way or another.
    """
    return _Machine(known, persistent).run(stream)


class _Machine:
    """The stack, the memo, and what the opcodes do with them."""

    def __init__(self, known: dict[tuple[str, str], Any], persistent: Builder) -> None:
        self._known, self._persistent = known, persistent
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._handed_over = 0

    def run(self, stream: IO[bytes]) -> Any:
        start = stream.tell()
        for opcode, argument, position in pickletools.genops(stream):
            if position is not None and position - start > MOST_BYTES:
                raise UnpicklingError(f"its pickle is longer than {MOST_BYTES} bytes")
            if opcode.name == "STOP":
                (value,) = self._stack
                return value
            self._step(opcode.name, argument)
        raise EOFError

    def _step(self, name: str, argument: Any) -> None:
        stack = self._stack
        match name:
            case "PROTO" | "FRAME":
                pass
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "MARK":
                stack.append(_MARK)
            case "BINUNICODE" | "SHORT_BINUNICODE" | "BINSTRING" | "SHORT_BINSTRING" | "BINFLOAT":
                stack.append(argument)
            case "BININT" | "BININT1" | "BININT2" | "LONG1":
                if not -_MOST_NUMBER <= argument < _MOST_NUMBER:
                    raise UnpicklingError("it holds a number of more than 128 bits")
                stack.append(argument)
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(name == "NEWTRUE")
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self._pop(int(name[-1]))))
            case "TUPLE":
                stack.append(tuple(self._pop_group()))
            case "EMPTY_LIST" | "EMPTY_SET":
                stack.append([])
            case "APPEND":
                self._extend(self._pop(1))
            case "APPENDS" | "ADDITEMS":
                self._extend(self._pop_group())
            case "EMPTY_DICT":
                stack.append({})
            case "SETITEM":
                self._update(self._pop(2))
            case "SETITEMS":
                self._update(self._pop_group())
            case "GLOBAL":
                stack.append(self._find(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                stack.append(self._find(*self._pop(2)))
            case "BINPERSID":
                stack.append(self._persistent(*self._pop(1)))
            case "REDUCE":
                stack.append(self._call(*self._pop(2)))
            case "NEWOBJ":
                stack.append(self._make(*self._pop(2)))
            case "BUILD":
                self._build(*self._pop(1))
            case _:
                raise UnpicklingError(f"it wants to {name}, which torch.save never writes")

    def _pop(self, count: int) -> list[Any]:
        values = self._stack[-count:]
        if len(values) < count or any(value is _MARK for value in values):
            raise EOFError
        del self._stack[-count:]
        return values

    def _pop_group(self) -> list[Any]:
        values = []
        while (value := self._stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _extend(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise UnpicklingError("it adds to something that is no list")
        target.extend(values)

    def _update(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict):
            raise UnpicklingError("it sets items of something that is no dict")
        target.update(dict_of(list(zip(values[::2], values[1::2], strict=True))))

    def _find(self, module: object, name: object) -> Any:
        if not (isinstance(module, str) and isinstance(name, str)) or len(module) + len(name) > _LONGEST_NAME:
            raise UnpicklingError("it names something without a name")
        if (module, name) in self._known:
            return self._known[module, name]
        named = Named(module, name)
        if module.partition(".")[0] in _STANDARD:
            raise UnpicklingError(f"it wants to use {named}")
        return named

    def _call(self, target: object, arguments: object) -> Any:
        if not callable(target) or not isinstance(arguments, tuple):
            raise UnpicklingError(f"it wants to call {_shown(target)}")
        # One long value may be handed over by many short calls, each of which goes through it.
        self._handed_over += len(arguments)
        self._handed_over += sum(len(value) for value in arguments if isinstance(value, list | tuple))
        if self._handed_over > MOST_BYTES:
            raise UnpicklingError("it goes through the same values again and again")
        return target(*arguments)

    def _make(self, target: object, arguments: object) -> Inert:
        if not isinstance(target, Named) or arguments != ():
            raise UnpicklingError(f"it wants to call {_shown(target)}")
        return Inert(target)

    def _build(self, state: object) -> None:
        target = self._stack[-1]
        if not isinstance(state, dict):
            raise UnpicklingError("it holds an object whose state is not a dict")
        if isinstance(target, Inert):
            target.state = state
        elif not isinstance(target, dict):  # of an OrderedDict's attributes nothing is kept
            raise UnpicklingError(f"it wants to change {_shown(target)}")


def _shown(target: object) -> str:
    return str(target) if isinstance(target, Named) else f"a {type(target).__name__}"


def dict_of(pairs: Sequence[Sequence[Any]] = ()) -> dict[Any, Any]:
    """A dict whose keys are text or small numbers.

    Raises:
        UnpicklingError: one is not.
    """
    made = {}
    for key, value in pairs:
        if not (isinstance(key, str) or (isinstance(key, int) and 0 <= key < _MOST_NUMBER_KEY)):
            raise UnpicklingError("it holds a key that is neither a name nor a small number")
        made[key] = value
    return made
