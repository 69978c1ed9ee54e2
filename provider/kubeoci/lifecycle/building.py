# SPDX-License-Identifier: Apache-2.0
"""The inputs of an OCIRepository that say how objects are made of files, in the words of a Flux Kustomization."""

import re
from typing import Final

from kubeoci import digest, reference, yaml
from kubeoci.errors import KubeociError
from kubeoci.kustomize.build import MODES, Building
from kubeoci.kustomize.overlay import Image, Overlay, Patch
from kubeoci.lifecycle.applying import selector
from kubeoci.lifecycle.inputs import Reader

_ADDED: Final = ("patches", "images", "components", "namePrefix", "nameSuffix")
INPUTS: Final = ("build", *_ADDED, "ignoreMissingComponents")

_IMAGE: Final = ("name", "newName", "newTag", "digest")
_AFFIX = re.compile(r"[-a-z0-9.]{1,200}")


def read(reader: Reader) -> Building:
    """How to build. What is wrong, or has no effect, is in `reader`."""
    mode = reader.choice("build", MODES, "auto")
    overlay = Overlay(
        patches=_patches(reader),
        images=_images(reader),
        components=reader.texts("components"),
        ignore_missing_components=reader.boolean("ignoreMissingComponents", default=False),
        name_prefix=_affix(reader, "namePrefix"),
        name_suffix=_affix(reader, "nameSuffix"),
    )
    for name in _ADDED if mode == "none" else ():
        if reader.raw(name):
            advice = "leave it out, or leave `build` at auto"
            reader.fault(name, "has no effect with `build: none`", advice, "input.unknown")
    if overlay.ignore_missing_components and not overlay.components and "components" not in reader.pending:
        advice = "name components, or leave it out"
        reader.fault("ignoreMissingComponents", "has no effect without `components`", advice, "input.unknown")
    return Building(mode, overlay)


def _affix(reader: Reader, name: str) -> str:
    return reader.matching(name, _AFFIX, "no part of a name", "use up to 200 of a-z, 0-9, - and .")


def _patches(reader: Reader) -> tuple[Patch, ...]:
    return tuple(map(_patch, reader.sections("patches", ("patch", "target"))))


def _patch(each: Reader) -> Patch:
    """One patch; that it is YAML is told here, before anything is pulled."""
    target = selector(each)
    text = each.text("patch", required=True)
    try:
        found = [document.value for document in yaml.load(text.encode(), each.path("patch"))]
    except KubeociError as error:
        each.fault("patch", f"is no YAML: {error.what}")
        return Patch(text, target)
    if text and not (found and all(isinstance(value, dict | list) for value in found)):
        each.fault("patch", "is neither a part of an object nor a list of operations")
    elif not each.raw("target") and any(isinstance(value, list) for value in found):
        each.fault("target", "is missing", "operations need one, such as {kind: Deployment}")
    return Patch(text, target)


def _images(reader: Reader) -> tuple[Image, ...]:
    return tuple(map(_image, reader.sections("images", _IMAGE)))


def _image(each: Reader) -> Image:
    image = Image(each.text("name", required=True), *(each.text(name) for name in _IMAGE[1:]))
    if image.name and not (image.new_name or image.new_tag or image.digest):
        each.fault("", "changes nothing", "give newName, newTag or digest", "input.unknown")
    for name, value, check in (
        ("newTag", image.new_tag, reference.check_tag),
        ("digest", image.digest, digest.parse),
    ):
        try:
            if value:
                check(value)
        except KubeociError as error:
            each.adopt(name, error)
    return image
