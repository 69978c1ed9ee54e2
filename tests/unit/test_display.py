# SPDX-License-Identifier: Apache-2.0
"""Objects as text for a state."""

import hashlib

from kubeoci import objects, yaml
from kubeoci.cluster.display import documents
from kubeoci.cluster.mask import Masks
from kubeoci.objects import Object


def maps(count: int, size: int) -> tuple[Object, ...]:
    """Some ConfigMaps with a value of a size."""
    text = "---\n".join(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{n}}}\ndata: {{x: {'x' * size}}}\n" for n in range(count)
    )
    return objects.load({"a.yaml": text.encode()}).objects


def test_documents() -> None:
    """Each object is one masked document under its identity."""
    data = b"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {b: x, a: y}\n"
    text = 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  namespace: default\ndata:\n  a: "***"\n  b: "***"\n'
    assert {"Secret/default/s": text} == documents(objects.load({"a.yaml": data}).objects, Masks())


def test_large_objects() -> None:
    """A large object is held as the size and hash of its text."""
    (large,) = maps(1, 20_000)
    text = yaml.dump(large.body)
    held = f"sha256: {hashlib.sha256(text.encode()).hexdigest()}\nsize: {len(text)}\n"
    assert {"ConfigMap/default/c0": held} == documents([large], Masks())


def test_many_objects() -> None:
    """Past the limit of all texts every object is held so."""
    assert all(text.startswith("sha256: ") for text in documents(maps(40, 15_000), Masks()).values())
    assert not any(text.startswith("sha256: ") for text in documents(maps(30, 15_000), Masks()).values())
