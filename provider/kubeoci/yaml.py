# SPDX-License-Identifier: Apache-2.0
"""Reading YAML and JSON as Kubernetes tools do, and writing it in one canonical form.

The reader builds values straight from the parser's events, so a document can neither nest nor multiply itself beyond
the limits, and every fault has its line. Values are only str, int, float, bool, None, dict and list.
"""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from kubeoci import jsonfile, scalars
from kubeoci.canonical import dump
from kubeoci.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Document", "Limits", "dump", "load"]

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is many times faster, and not everywhere
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAG = "tag:yaml.org,2002:"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may hold. Nodes and depth count what aliases stand for, so a small file cannot become large."""

    max_bytes: int = 16 * 1024 * 1024
    max_documents: int = 20_000
    max_nodes: int = 2_000_000
    max_depth: int = 100


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Document:
    """One document and the line, counted from 1, where its content starts.

    `item_lines` are the lines of the elements of a top-level `items`: what a `List` holds has places of its own.
    """

    value: Any
    line: int
    item_lines: tuple[int, ...] = ()


def load(data: bytes, file: str, limits: Limits = LIMITS) -> list[Document]:
    """All documents of a file that are not empty; a name that ends in `.json` is read as JSON.

    Raises ManifestError (`manifest.invalid`) with `file:line` at the first fault.
    """
    if len(data) > limits.max_bytes:
        raise ManifestError("manifest.invalid", f"the file has over {limits.max_bytes} bytes", where=file)
    text = _decode(data.removeprefix(_BOM), file)
    if file.endswith(".json"):
        return _json(text, file, limits)
    try:
        return _Reader(text, file, limits).documents()
    except yaml.YAMLError as error:
        raise _syntax(error, text, file) from error


def _json(text: str, file: str, limits: Limits) -> list[Document]:
    if not text.strip():
        return []
    value = jsonfile.read(text, file, limits.max_nodes, limits.max_depth)
    return [Document(value, text[: len(text) - len(text.lstrip())].count("\n") + 1)]


def _decode(data: bytes, file: str) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        _fail("the file is not UTF-8", file, data.count(b"\n", 0, error.start) + 1)
    found = _UNPRINTABLE.search(text)
    if found:
        _fail(f"character U+{ord(found[0]):04X} is not allowed", file, text.count("\n", 0, found.start()) + 1)
    return text


def _syntax(error: yaml.YAMLError, text: str, file: str) -> ManifestError:
    mark = getattr(error, "problem_mark", None)
    lines = text.splitlines() or [""]
    line = min(mark.line + 1 if mark else 1, len(lines))  # what is missing at the end is missed behind it
    what = " ".join(part for name in ("problem", "context") if (part := getattr(error, name, None)))
    near = lines[line - 1]
    indent = near[: len(near) - len(near.lstrip())]
    advice = "indent with spaces, not with tabs" if "\t" in indent else ""
    return ManifestError("manifest.invalid", what or "not YAML", where=f"{file}:{line}", advice=advice)


def _fail(what: str, file: str, line: int) -> NoReturn:
    raise ManifestError("manifest.invalid", what, where=f"{file}:{line}")


@dataclass(slots=True)
class _Frame:
    """A mapping or sequence that is being read; `key` is None while a mapping waits for a key."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    line: int
    first: int  # nodes before this one
    height: int = 1
    key: str | None = None
    lines: dict[str, int] = field(default_factory=dict)
    merges: list[dict[str, Any]] | None = None
    merging: bool = False


@dataclass(frozen=True, slots=True)
class _Anchored:
    value: Any
    nodes: int
    height: int


class _Reader:
    """Turns the events of one file into values. One use only."""

    def __init__(self, text: str, file: str, limits: Limits) -> None:
        self._parser = _Loader(text)
        self._file = file
        self._limits = limits
        self._stack: list[_Frame] = []
        self._anchors: dict[str, _Anchored | None] = {}  # None: still being read
        self._nodes = 0
        self._root: Document | None = None
        self._item_lines: list[int] = []
        self._on: dict[type[yaml.Event], Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._open,
            yaml.SequenceStartEvent: self._open,
            yaml.MappingEndEvent: self._close,
            yaml.SequenceEndEvent: self._close,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._begin,
        }

    def documents(self) -> list[Document]:
        """Everything in the file but empty documents."""
        found: list[Document] = []
        while not isinstance(event := self._parser.get_event(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentEndEvent) and self._root and self._root.value is not None:
                found.append(self._root)
                if len(found) > self._limits.max_documents:
                    self._fail(f"more than {self._limits.max_documents} documents", event)
            elif action := self._on.get(type(event)):
                action(event)
        return found

    def _begin(self, event: yaml.DocumentStartEvent) -> None:
        if event.version or event.tags:
            self._fail("directives (%YAML, %TAG) are not supported", event)
        self._anchors.clear()
        self._item_lines = []
        self._root = None

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        is_map = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", _TAG + ("map" if is_map else "seq")):
            self._fail(f"tag {_shown(event.tag)} is not supported", event)
        if self._wants_key():
            self._fail("a key must be a scalar", event)
        self._count(event, 1)
        self._note_item(event)
        if event.anchor:
            self._anchors[event.anchor] = None
        frame = _Frame({} if is_map else [], event.anchor, _line(event), self._nodes)
        self._stack.append(frame)
        if len(self._stack) > self._limits.max_depth:
            self._fail(f"nested more than {self._limits.max_depth} deep", event)

    def _close(self, event: yaml.CollectionEndEvent) -> None:
        frame = self._stack.pop()
        if frame.merges and isinstance(frame.value, dict):
            explicit = dict(frame.value)
            for source in reversed(frame.merges):  # the first of a list wins, and a key of its own over all
                frame.value.update(source)
            frame.value.update(explicit)
        self._keep(frame.anchor, _Anchored(frame.value, self._nodes - frame.first + 1, frame.height))
        self._add(frame.value, frame.height, event, frame.line)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if self._wants_key():
            self._fail("an alias cannot be a key", event)
        if event.anchor not in self._anchors:
            self._fail(f"alias *{event.anchor} has no anchor", event)
        target = self._anchors[event.anchor]
        if target is None:
            self._fail(f"alias *{event.anchor} stands inside what it names", event)
        self._count(event, target.nodes)
        if len(self._stack) + target.height > self._limits.max_depth:
            self._fail(f"nested more than {self._limits.max_depth} deep", event)
        self._note_item(event)
        self._add(_copy(target.value), target.height, event, _line(event))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._count(event, 1)
        if self._wants_key():
            self._key(event)
            return
        try:
            value = _value(event)
        except ValueError as error:
            self._fail(str(error), event)
        self._keep(event.anchor, _Anchored(value, 1, 0))
        self._note_item(event)
        self._add(value, 0, event, _line(event))

    def _key(self, event: yaml.ScalarEvent) -> None:
        frame, line = self._stack[-1], _line(event)
        if event.anchor:
            self._keep(event.anchor, _Anchored(event.value, 1, 0))
        if event.tag is None and event.implicit[0] and event.value == "<<":
            if frame.merges is not None:
                self._fail("a second << in one mapping", event)
            frame.merges, frame.merging, frame.key = [], True, "<<"
            return
        if event.tag not in (None, "!", _TAG + "str"):
            self._fail(f"a key cannot have the tag {_shown(event.tag)}", event)
        if event.implicit[0] and event.value in scalars.NULL:
            self._fail("a key is missing, or is null", event)
        if event.value in frame.lines:
            self._fail(f"key {event.value!r} stands here and on line {frame.lines[event.value]} already", event)
        frame.lines[event.value] = line
        frame.key = event.value

    def _add(self, value: Any, height: int, event: yaml.Event, line: int) -> None:  # noqa: ANN401 - any YAML value
        """Put a finished value into the collection around it, or make it the document."""
        if not self._stack:
            self._root = Document(value, line, tuple(self._item_lines))
            return
        frame = self._stack[-1]
        frame.height = max(frame.height, height + 1)
        if isinstance(frame.value, list):
            frame.value.append(value)
            return
        if frame.merging:
            self._merge(frame, value, event)
        else:
            frame.value[frame.key or ""] = value
        frame.key = None

    def _merge(self, frame: _Frame, value: Any, event: yaml.Event) -> None:  # noqa: ANN401 - any YAML value
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            self._fail("<< takes a mapping or a list of mappings", event)
        frame.merges, frame.merging = sources, False

    def _wants_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].value, dict) and self._stack[-1].key is None

    def _note_item(self, event: yaml.Event) -> None:
        if len(self._stack) == 2 and self._stack[0].key == "items" and isinstance(self._stack[1].value, list):  # noqa: PLR2004 - root and its list
            self._item_lines.append(_line(event))

    def _keep(self, anchor: str | None, value: _Anchored) -> None:
        if anchor:
            self._anchors[anchor] = value

    def _count(self, event: yaml.Event, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > self._limits.max_nodes:
            self._fail(f"more than {self._limits.max_nodes} values in one file", event)

    def _fail(self, what: str, event: yaml.Event) -> NoReturn:
        _fail(what, self._file, _line(event))


def _value(event: yaml.ScalarEvent) -> scalars.Scalar:
    """The value of a scalar event, by its tag if it has one. Raises ValueError."""
    if event.tag is None:
        return scalars.plain(event.value) if event.implicit[0] else event.value
    if event.tag == "!":
        return event.value
    if not event.tag.startswith(_TAG):
        raise ValueError(f"tag {event.tag} is not supported")
    return scalars.tagged(event.tag.removeprefix(_TAG), event.value)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _shown(tag: str) -> str:
    return tag.replace(_TAG, "!!")


def _copy(value: Any) -> Any:  # noqa: ANN401 - any YAML value
    """An own copy: what is changed in one place must not change where an alias repeats it."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value
