# SPDX-License-Identifier: Apache-2.0
"""The services of `simulator.sigstore` behind HTTP, on a free port of 127.0.0.1: Fulcio, Rekor v1 and v2, a TSA.

    with Services() as services:
        config = services.trust_config()                       # JSON for sigstore's client
        token = services.token("ann@example.com")
        …
        assert ["POST /api/v2/signingCert", "POST /api/v1/log/entries"] == services.requests

A `Fault` (of `simulator.registry`) hits the next requests that start with a text; a delay ends when the services do:

    services.fail("POST /api/v2/signingCert", Fault(delay=60))
    services.tricks.add("certificate")    # answers that are well formed and wrong: see `TRICKS`
"""

import base64
import json
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from simulator import sigstore_log as log
from simulator.registry import Fault, Reply
from simulator.sigstore import Sigstore
from simulator.sigstore_ca import GITHUB, Order
from simulator.sigstore_log import Logged
from simulator.sigstore_tsa import Query

TRICKS = {
    "certificate": "a certificate for somebody else's key",
    "entry": "a genuine entry of another signature",
    "promise": "an entry without a promise",
    "checkpoint": "a checkpoint of another tree",
}


class Services:
    """See the module. `requests` holds every request in order, `bodies` what came with it, `tokens` what let it in.

    `order` has further fields for the `Order` of each leaf.
    """

    def __init__(self, sigstore: Sigstore | None = None) -> None:
        self.sigstore = sigstore or Sigstore()
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.tokens: list[str] = []
        self.tricks: set[str] = set()
        self.order: dict[str, Any] = {}
        self.leaving = threading.Event()
        self._faults: list[tuple[str, Fault]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"services": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leaving.set()
        self._server.shutdown()
        self._server.server_close()

    def fail(self, start: str, fault: Fault, *, times: int = 1) -> None:
        """Let the next `times` requests whose line (`POST /…`) begins with `start` meet `fault`."""
        self._faults += [(start, fault)] * times

    def trust_config(self, *, version: int = 1, stamps: bool = False) -> str:
        """What sigstore's client needs to sign here, as JSON."""
        return json.dumps(self.sigstore.trust_config(self.url, version=version, stamps=stamps))

    def token(self, subject: str, issuer: str = GITHUB, **claims: object) -> str:
        """An identity token, good from now for ten minutes; None takes a claim away. Its signature is no signature."""
        now = int(time.time())
        stated = {"iss": issuer, "sub": subject, "aud": "sigstore", "iat": now, "exp": now + 600} | claims
        kept = {name: value for name, value in stated.items() if value is not None}
        return ".".join([_segment({"alg": "ES256", "typ": "JWT"}), _segment(kept), "c2ln"])

    def answer(self, line: str, headers: dict[str, str], body: bytes) -> tuple[Reply, Fault]:
        """Record one request and carry it out."""
        routes = {
            "POST /api/v2/signingCert": self._certificate,
            "POST /api/v1/log/entries": self._entry,
            "POST /api/v2/log/entries": self._entry_v2,
            "POST /tsa": self._stamp,
        }
        with self._lock:
            self.requests.append(line)
            self.bodies.append(body)
            self.tokens.append(headers.get("authorization", "").removeprefix("Bearer "))
            fault = self._take(line)
            if fault.status or line not in routes:
                return Reply(fault.status or 404, fault.headers, fault.body or b""), fault
            reply = routes[line](body)
        return Reply(reply.status, reply.headers, reply.body if fault.body is None else fault.body), fault

    def _take(self, line: str) -> Fault:
        for index, (start, fault) in enumerate(self._faults):
            if line.startswith(start):
                del self._faults[index]
                return fault
        return Fault()

    def _certificate(self, body: bytes) -> Reply:
        """What Fulcio does: the identity is the token's, the key that of the request, which has to prove it."""
        document = json.loads(body)
        claims = _claims(self.tokens[-1] or document["credentials"]["oidcIdentityToken"])
        key = _proven_key(document, claims)
        if key is None or not claims:
            return Reply(400, body=b'{"message":"bad request"}')
        if "certificate" in self.tricks:
            key = ec.generate_private_key(ec.SECP256R1()).public_key()
        order = Order((claims.get("email", claims["sub"]),), claims["iss"], **self.order)
        leaf = self.sigstore.authority.issue(key, self.sigstore.clock, order)
        chain = [item.public_bytes(serialization.Encoding.PEM).decode() for item in self._chain(leaf)]
        return _json({"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}, 200)

    def _chain(self, leaf: x509.Certificate) -> list[x509.Certificate]:
        return [leaf, *self.sigstore.authority.chain]

    def _entry(self, body: bytes) -> Reply:
        """What Rekor v1 does with the two kinds that signers send."""
        proposed = json.loads(body)
        if proposed["kind"] == "dsse":
            content = proposed["spec"]["proposedContent"]
            envelope = json.loads(content["envelope"])
            signature = base64.b64decode(envelope["signatures"][0]["sig"])
            verifier = base64.b64decode(content["verifiers"][0])
            logged = log.dsse(base64.b64decode(envelope["payload"]), self._other(signature), verifier)
        else:
            content = proposed["spec"]["signature"]
            signature = base64.b64decode(content["content"])
            verifier = base64.b64decode(content["publicKey"]["content"])
            logged = log.hashedrekord(proposed["spec"]["data"]["hash"]["value"], self._other(signature), verifier)
        answer = self._tricked(self.sigstore.log.add(logged, self.sigstore.time)).answer()
        reply = _json(answer)
        return replace(reply, headers=reply.headers | {"ETag": next(iter(answer))})  # where cosign looks for the name

    def _entry_v2(self, body: bytes) -> Reply:
        """What Rekor v2 does."""
        proposed = json.loads(body)["hashedRekordRequestV002"]
        signature = proposed["signature"]
        signature["content"] = log.b64(self._other(base64.b64decode(signature["content"])))
        logged = log.hashedrekord_v2(base64.b64decode(proposed["digest"]), signature)
        return _json(self._tricked(self.sigstore.log_v2.add(logged, self.sigstore.time)).item())

    def _stamp(self, body: bytes) -> Reply:
        stamp = self.sigstore.tsa.stamp(Query.read(body), self.sigstore.clock)
        return Reply(201, {"Content-Type": "application/timestamp-reply"}, stamp)

    def _other(self, signature: bytes) -> bytes:
        return signature[::-1] if "entry" in self.tricks else signature

    def _tricked(self, entry: Logged) -> Logged:
        if "promise" in self.tricks:
            entry = replace(entry, promise=b"")
        if "checkpoint" in self.tricks:
            entry = replace(entry, checkpoint=self.sigstore.log.checkpoint(entry.size, bytes(32)))
        return entry


class _Handler(BaseHTTPRequestHandler):
    services: Services
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Stay silent: the requests are recorded."""

    def do_POST(self) -> None:
        """Answer one request."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply, fault = self.services.answer(f"{self.command} {self.path}", headers, body)
        if fault.delay:
            self.services.leaving.wait(fault.delay)
        if fault.drop or self.services.leaving.is_set():
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in (reply.headers | {"Content-Length": str(len(reply.body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)


def _proven_key(document: dict[str, Any], claims: dict[str, Any]) -> ec.EllipticCurvePublicKey | None:
    """The key of a signing request (sigstore's client), or with a signature over the subject (cosign)."""
    if "publicKeyRequest" not in document:
        request = x509.load_pem_x509_csr(base64.b64decode(document["certificateSigningRequest"]))
        key = request.public_key()
        return key if request.is_signature_valid and isinstance(key, ec.EllipticCurvePublicKey) else None
    asked = document["publicKeyRequest"]
    key = serialization.load_pem_public_key(asked["publicKey"]["content"].encode())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    proof, subject = base64.b64decode(asked["proofOfPossession"]), claims.get("email", claims["sub"])
    key.verify(proof, subject.encode(), ec.ECDSA(hashes.SHA256()))
    return key


def _json(document: dict[str, Any], status: int = 201) -> Reply:
    return Reply(status, {"Content-Type": "application/json"}, json.dumps(document).encode())


def _segment(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def _claims(token: str) -> dict[str, Any]:
    """What a token states; nothing for what is no token."""
    middle = token.split(".")[1] if token.count(".") == 2 else ""
    return dict(json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))) if middle else {}
