# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.cosignkey: the file that cosign writes, and how it may be broken."""

import base64
import json
from typing import Any

import pytest

from kubeoci.errors import TrustError
from kubeoci.trust import cosignkey, keys

COSIGNS = """-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjo2NTUzNiwiciI6
OCwicCI6MX0sInNhbHQiOiJQWFc0YnJuMncxeERaN3g1T2dTdGxzNVM4cjhaU1Fq
WElFb0xzcHhMVGpRPSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiJKS0FTdXhwWW4yTjY5d0VLdWVjcHNlN2o1WDFnOHhUciJ9LCJj
aXBoZXJ0ZXh0IjoiYzk5YXphOUgwc3VtSmtZVFViVFFlZGd3eGhockp0Mmw5TjdB
a3BhaHpVOHBaaFRDd0NqN0JEaEVIU0ZzMzM0ckxmSDc3TjJXNGttU1RkM0wwc2VI
ZVZWalV2MTZiYVo5cm1NOEhBc0JHNFVNdmJQRjloR2Jkd2pQK1huNGpHMDU1WTFW
MnBERjNJV2hyODl3NnJUdi96aWFvRWRlcC9lWmhiR3lSQjFhQzBOL3h1MjBxNnRF
a0ExcllZbm84NDhRYlV2ZU9TMVY5M3JsdXc9PSJ9
-----END ENCRYPTED SIGSTORE PRIVATE KEY-----
"""
"""Written by cosign v3.1.2 for this test, with the empty password."""
COSIGNS_PUBLIC = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEIt+1ORQ4WXzjq2cBOGY0V5gd0W5J
ARvmMrCgOH2CIrK0gA4OUpt9NZEq6pUG3EDBTq5l4+o9rDqBZCSiGygjVQ==
-----END PUBLIC KEY-----
"""


def document() -> dict[str, Any]:
    """The JSON inside cosign's file."""
    found: dict[str, Any] = json.loads(base64.b64decode("".join(COSIGNS.splitlines()[1:-1])))
    return found


def file(document: object) -> str:
    """A file around another JSON."""
    body = base64.b64encode(json.dumps(document).encode()).decode()
    return f"-----BEGIN {cosignkey.LABEL}-----\n{body}\n-----END {cosignkey.LABEL}-----\n"


def changed(path: str, value: object) -> str:
    """The file of cosign with one member of its JSON changed, or removed where the value is None."""
    found = document()
    *parents, name = path.split(".")
    place = found
    for parent in parents:
        place = place[parent]
    place.pop(name, None)
    if value is not None:
        place[name] = value
    return file(found)


def error(text: str, password: str | None) -> TrustError:
    """The error for a key that does not open."""
    with pytest.raises(TrustError) as caught:
        keys.private_key(text, password)
    assert "trust.bad_key" == caught.value.code
    return caught.value


@pytest.mark.parametrize("kind", ["SIGSTORE", "COSIGN"])
def test_opens_what_cosign_wrote(kind: str) -> None:
    """Under both names that its PEM has had."""
    assert COSIGNS_PUBLIC == keys.private_key(COSIGNS.replace("SIGSTORE", kind), "").public.pem


def test_a_wrong_password_and_damage_are_one_error() -> None:
    """Nobody can tell them apart, so the words do not."""
    box = bytearray(base64.b64decode(document()["ciphertext"]))
    box[3] ^= 1
    damaged = error(changed("ciphertext", base64.b64encode(box).decode()), "")
    short = error(changed("ciphertext", "QUJD"), "")
    assert "the password is wrong, or the key is damaged" == damaged.what
    assert {str(damaged)} == {str(error(COSIGNS, "wrong")), str(short)}


def test_an_empty_password_is_another_than_none() -> None:
    """Without one, nothing is tried."""
    assert "it is encrypted, and no password is given" == error(COSIGNS, None).what


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("kdf.params.N", 1 << 20, "is not scrypt with N"),
        ("kdf.params.N", 1 << 14, "is not scrypt with N"),
        ("kdf.params.N", "65536", "kdf.params.N is no whole number"),
        ("kdf.params.r", 9, "is not scrypt with N"),
        ("kdf.params.p", 2, "is not scrypt with N"),
        ("kdf.params.p", None, "kdf.params has no p"),
        ("kdf.name", "pbkdf2", "is not scrypt with N"),
        ("kdf.salt", "QUJD", "kdf.salt has not 32 bytes"),
        ("kdf.salt", "!", "kdf.salt is no base64"),
        ("kdf", [], "kdf is no object"),
        ("cipher.name", "aes", "is not nacl/secretbox"),
        ("cipher.nonce", "QUJD", "is not nacl/secretbox with a nonce of 24 bytes"),
        ("cipher.iv", "QUJD", "which has no place there"),
        ("ciphertext", "", "ciphertext is empty"),
        ("ciphertext", None, "it has no ciphertext"),
    ],
)
def test_files_of_another_form(path: str, value: object, told: str) -> None:
    """Another algorithm or cost is refused by name before anything is computed."""
    assert told in error(changed(path, value), "").what


@pytest.mark.parametrize("text", [file([]), file(None), file({}), file([]).replace("W10=", "fVt9")])
def test_files_that_hold_no_key(text: str) -> None:
    """JSON of another shape, and no JSON."""
    assert error(text, "").what.startswith("it is no `cosign.key`: it ")


def test_a_box_around_something_else() -> None:
    """What opens and is no key is damage, too."""
    assert "the password is wrong, or the key is damaged" == error(cosignkey.wrap(b"no DER", "pw"), "pw").what


def test_writes_lines_of_64() -> None:
    """As cosign does, whose reader is not tried here but beside the other programs."""
    lines = cosignkey.wrap(b"DER", "pw").splitlines()
    assert [64] * (len(lines) - 3) == [len(line) for line in lines[1:-2]]
    assert (f"-----BEGIN {cosignkey.LABEL}-----", f"-----END {cosignkey.LABEL}-----") == (lines[0], lines[-1])
