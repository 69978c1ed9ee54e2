# SPDX-License-Identifier: Apache-2.0
"""The file `cosign.key`: a PKCS#8 key in a secretbox under a password, as cosign writes and reads it."""

import base64
import hashlib
import json
import secrets

from kubeoci.trust import secretbox, strict

LABEL = "ENCRYPTED SIGSTORE PRIVATE KEY"
LABELS = (LABEL, "ENCRYPTED COSIGN PRIVATE KEY")
"""Its PEM types, today's first."""

_COSTS = (1 << 15, 1 << 16, 1 << 17)
"""What cosign accepts as N. The second is what it writes: 64 MiB and about a quarter of a second."""
_BLOCK_SIZE = 8
_PARALLEL = 1
_SALT_BYTES = 32
_SLACK_BYTES = 1 << 20
_LINE_CHARACTERS = 64


def unwrap(raw: bytes, password: str) -> bytes:
    """The PKCS#8 DER inside the JSON of a key file.

    Raises `Rejected` for another form, algorithm or cost, before anything expensive is done, and ValueError where the
    password is wrong or the file damaged: nobody can tell which.
    """
    file = strict.members(strict.document(raw, "it"), "it", ("kdf", "cipher", "ciphertext"))
    cost, salt = _derivation(strict.members(file["kdf"], "kdf", ("name", "params", "salt")))
    cipher = strict.members(file["cipher"], "cipher", ("name", "nonce"))
    nonce = strict.base64(cipher["nonce"], "cipher.nonce")
    if cipher["name"] != "nacl/secretbox" or len(nonce) != secretbox.NONCE_BYTES:
        strict.malformed("cipher", f"is not nacl/secretbox with a nonce of {secretbox.NONCE_BYTES} bytes")
    box = strict.base64(file["ciphertext"], "ciphertext")
    return secretbox.unseal(box, nonce, _derived(password, salt, cost))


def wrap(der: bytes, password: str) -> str:
    """The PEM text of a key file around PKCS#8 DER, each time another one."""
    salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(secretbox.NONCE_BYTES)
    box = secretbox.seal(der, nonce, _derived(password, salt, _COSTS[1]))
    costs = {"N": _COSTS[1], "r": _BLOCK_SIZE, "p": _PARALLEL}
    file = {
        "kdf": {"name": "scrypt", "params": costs, "salt": _text(salt)},
        "cipher": {"name": "nacl/secretbox", "nonce": _text(nonce)},
        "ciphertext": _text(box),
    }
    body = _text(json.dumps(file, separators=(",", ":")).encode())
    lines = [body[start : start + _LINE_CHARACTERS] for start in range(0, len(body), _LINE_CHARACTERS)]
    return "\n".join([f"-----BEGIN {LABEL}-----", *lines, f"-----END {LABEL}-----", ""])


def _derivation(kdf: strict.Members) -> tuple[int, bytes]:
    """The cost and the salt."""
    costs = strict.members(kdf["params"], "kdf.params", ("N", "r", "p"))
    cost = strict.integer(costs["N"], "kdf.params.N")
    if kdf["name"] != "scrypt" or cost not in _COSTS or (costs["r"], costs["p"]) != (_BLOCK_SIZE, _PARALLEL):
        strict.malformed("kdf", "is not scrypt with N of 32768, 65536 or 131072, r of 8 and p of 1, as cosign has it")
    salt = strict.base64(kdf["salt"], "kdf.salt")
    if len(salt) != _SALT_BYTES:
        strict.malformed("kdf.salt", f"has not {_SALT_BYTES} bytes")
    return cost, salt


def _derived(password: str, salt: bytes, cost: int) -> bytes:
    memory = 128 * cost * _BLOCK_SIZE + _SLACK_BYTES
    return hashlib.scrypt(
        password.encode(), salt=salt, n=cost, r=_BLOCK_SIZE, p=_PARALLEL, maxmem=memory, dklen=secretbox.KEY_BYTES
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
