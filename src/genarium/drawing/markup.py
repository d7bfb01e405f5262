"""HTML and SVG that cannot forget to escape: plain strings are text, `Markup` is markup."""

from __future__ import annotations

import html


class Markup(str):
    """Text that is already HTML or SVG; everything else is escaped by `tag`."""

    __slots__ = ()


Child = str | int | float | None
VOID = {"br", "hr", "img", "meta", "link"}


def tag(name: str, /, *children: Child, **attributes: Child | bool) -> Markup:
    """<name attributes>children</name>; None children and None or False attributes are left out.

    A trailing underscore is dropped from attribute names (`class_`), inner ones become hyphens.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        parts.append(f" {key}" if value is True else f' {key}="{html.escape(str(value))}"')
    parts.append(">")
    if name not in VOID:
        parts += [str(join(*children)), f"</{name}>"]
    return Markup("".join(parts))


def join(*children: Child) -> Markup:
    """The children one after the other, strings escaped, None left out."""
    return Markup(
        "".join(
            str(child) if isinstance(child, Markup) else html.escape(str(child), quote=False)
            for child in children
            if child is not None
        )
    )
