# SPDX-License-Identifier: Apache-2.0
"""The little of a Kubernetes client that the rig itself needs, on the standard library alone."""

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Document = dict[str, Any]
_NOT_FOUND = 404


class ApiError(Exception):
    """The API server refused; `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status


def client_context(folder: Path) -> ssl.SSLContext:
    """TLS as the administrator whose certificates lie in `folder`."""
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.load_cert_chain(folder / "admin.crt", folder / "admin.key")
    return context


class Api:
    """A Kubernetes API server, seen by its administrator.

    Args:
        server: `https://127.0.0.1:PORT`.
        folder: where `certificates.write_all` wrote.
    """

    def __init__(self, server: str, folder: Path) -> None:
        self._port = urlsplit(server).port
        self._context = client_context(folder)

    def request(self, method: str, path: str, body: Document | None = None) -> Document:
        """Send one request, a PATCH as a JSON merge patch; the answer's document.

        Raises:
            ApiError: the status is 400 or more.
            OSError: no connection.
        """
        connection = http.client.HTTPSConnection("127.0.0.1", self._port or 0, context=self._context, timeout=30)
        content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": content_type})
            answer = connection.getresponse()
            text = answer.read().decode()
        except http.client.HTTPException as error:
            raise ConnectionError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise ApiError(answer.status, f"{method} {path}: {answer.status} {text[:500]}")
        return json.loads(text) if text.startswith("{") else {"text": text}

    def get(self, path: str) -> Document | None:
        """The document at `path`; None when there is none."""
        try:
            return self.request("GET", path)
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            return None

    def watch(self, path: str, seconds: int) -> Iterator[Document]:
        """The events of a watch, as they come, until the server ends it after `seconds`."""
        connection = http.client.HTTPSConnection("127.0.0.1", self._port or 0, context=self._context)
        try:
            connection.request("GET", f"{path}&watch=true&timeoutSeconds={seconds}")
            for line in connection.getresponse():
                yield json.loads(line)
        finally:
            connection.close()
