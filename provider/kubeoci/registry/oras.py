# SPDX-License-Identifier: Apache-2.0
"""oras-py's `Registry` on our own transport: for programs that use oras-py and want every byte checked.

Importing this module loads oras and requests (about a quarter of a second), so nothing of kubeoci does. Of oras-py come
the surface, the conventions of its manifests and the names of containers; connections, credentials, archives and hashes
are ours. What oras-py accepts and we have no use for is refused, not ignored.
"""

import http.client
import json as jsons
import logging
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NoReturn
from urllib.parse import urlsplit

import oras.container
import oras.oci
import oras.provider
import requests
import urllib3
from requests.adapters import HTTPAdapter

from kubeoci import artifact, reference
from kubeoci import digest as digests
from kubeoci.artifact import MANIFEST, Descriptor
from kubeoci.digest import Digest
from kubeoci.errors import InputError, RegistryError
from kubeoci.reference import Reference, Repository
from kubeoci.registry.answer import Answer, Refused, failure
from kubeoci.registry.cache import Cache
from kubeoci.registry.download import check_body, check_told
from kubeoci.registry.parallel import TRANSFERS, together
from kubeoci.registry.protocols import DELETE, PULL, PUSH
from kubeoci.registry.remote import Registry, Shared
from kubeoci.registry.titled import DIRECTORY, TITLE, UNPACK, Source, opener, source, split
from kubeoci.registry.transport import Request, Settings
from kubeoci.registry.unpack import blocks, inside, unpack, write

UNKNOWN_CONFIG = "application/vnd.unknown.config.v1+json"

_CHUNK = 16 << 20  # the default of oras-py
_URL = re.compile(r"/v2/(.+)/((?:manifests|blobs|tags|referrers)/.+)")
_ACTIONS = {"GET": PULL, "HEAD": PULL, "DELETE": DELETE}
_LOG = logging.getLogger(__name__)


class _Closed:
    """Stands where oras-py keeps its session and its credentials: whoever reaches for them gets an error."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"kubeoci sends the requests of this registry, so there is no {name}")


class OciRegistry(oras.provider.Registry):  # type: ignore[misc]  # oras-py has no types
    """`oras.provider.Registry` whose requests go through kubeoci. All methods raise what `remote.Registry` raises.

    Args:
        hostname: the registry of containers that name none.
        insecure: speak plain HTTP; by default only to loopback addresses.
        settings: how to reach registries; `insecure` beats the one in it.
        cache: asked before the registry; the user's own when left out.
        environment: where Docker's configuration is looked for; `os.environ` when left out.
        shared: connections and tokens; those of the process when left out.
    """

    def __init__(
        self,
        hostname: str | None = None,
        insecure: bool | None = None,
        *,
        settings: Settings | None = None,
        cache: Cache | None = None,
        environment: Mapping[str, str] | None = None,
        shared: Shared | None = None,
    ) -> None:
        super().__init__(hostname, insecure=bool(insecure))
        self.session = _Closed()
        self.auth = _Closed()
        given = settings or Settings()
        self._settings = given if insecure is None else replace(given, insecure=insecure)
        self._cache = cache or Cache.open(environment)
        self._environment = environment
        self._shared = shared

    def login(self, *_args: object, **_named: object) -> NoReturn:
        """Not here: raises `input.unknown`."""
        raise _refused("login", "use `docker login`: its configuration is read")

    def logout(self, hostname: str) -> NoReturn:
        """Not here: raises `input.unknown`."""
        raise _refused("logout", f"use `docker logout {hostname}`")

    def set_header(self, name: str, value: str) -> NoReturn:  # noqa: ARG002 - the signature of oras-py
        """Not here: raises `input.unknown`."""
        raise _refused("set_header", "headers belong to the transport")

    def get_container(self, name: str | oras.container.Container) -> oras.container.Container:
        """The container that a text names, held to the grammar of references. Raises `reference.invalid`."""
        container = super().get_container(name)
        _reference(container)
        return container

    def get_tags(self, container: str | oras.container.Container, N: int | None = None) -> list[str]:  # noqa: N803 - its name in oras-py
        """All tags, or the first `N`."""
        tags = self._client().tags(self._repository(container))
        return tags if N is None else tags[:N]

    def delete_tag(self, container: str | oras.container.Container, tag: str) -> bool:
        """Remove a tag and nothing else, False when there is none. Raises `registry.unsupported`."""
        client, repository = self._client(), self._repository(container)
        if client.tag(repository, tag) is None:
            return False
        client.delete_tag(repository, tag)
        return True

    def get_manifest(
        self,
        container: str | oras.container.Container,
        allowed_media_type: Sequence[str] | None = None,
        validation_schema: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:
        """The manifest or index as JSON has it. Raises `registry.unsupported` for a type that is not allowed."""
        if validation_schema is not None:
            raise _refused("validation_schema", "manifests are checked always; validate what is returned")
        raw = self._manifest(self._client(), _reference(self.get_container(container)), allowed_media_type)
        document: dict[str, Any] = jsons.loads(raw)
        return document

    def download_blob(self, container: str | oras.container.Container, digest: str, outfile: str) -> str:
        """Write a blob to a file, which appears only when all of it is checked."""
        client, repository = self._client(), self._repository(container)
        with client.blob(repository, _look(client, repository, digests.parse(digest))) as blob:
            write(Path(outfile), blocks(blob))
        return outfile

    def put_upload(self, blob: str, container: oras.container.Container, layer: Mapping[str, Any]) -> requests.Response:
        """Store a file as the blob that `layer` describes, streamed."""
        descriptor = Descriptor(str(layer["mediaType"]), digests.parse(layer["digest"]), int(layer["size"]))
        place = _reference(self.get_container(container))
        self._client().put_blob(place.repository, descriptor, opener(Path(blob)), absent=True)
        return _stored(place, "blobs", descriptor.digest)

    def chunked_upload(self, *_args: object, **_named: object) -> NoReturn:
        """Not here: raises `input.unknown`."""
        raise _refused("do_chunked", "leave it out: blobs are streamed in one request, however large")

    def upload_manifest(
        self, manifest: Mapping[str, Any], container: str | oras.container.Container
    ) -> requests.Response:
        """Store a manifest under the container's tag or digest, as canonical JSON, and attach it to its subject.

        Raises `registry.conflict` when a registry without the referrers API keeps no list of what is attached.
        """
        place = _reference(self.get_container(container))
        raw = artifact.canonical(dict(manifest))
        parsed, client = artifact.parse(raw), self._client()
        if "subject" in manifest:  # found by who looks at its subject, then by its tag
            client.attach(place.repository, raw, parsed.media_type)
        client.put_manifest(place.repository, str(place.digest or place.tag), raw, parsed.media_type)
        return _stored(place, "manifests", digests.of(raw))

    def push(  # noqa: PLR0913, PLR0917 - the signature of oras-py
        self,
        target: str,
        config_path: str | None = None,
        disable_path_validation: bool = False,
        files: Sequence[str | Path] | None = None,
        manifest_config: str | None = None,
        annotation_file: str | None = None,
        manifest_annotations: Mapping[str, str] | None = None,
        subject: oras.oci.Subject | None = None,
        do_chunked: bool = False,
        chunk_size: int = _CHUNK,
        quiet: bool = False,
    ) -> requests.Response:
        """Push files and folders (`path[:media type]`), one layer each, titled with their names; the tag moves last.

        See `titled` for what becomes of a folder. Raises `input.unknown` for `config_path`, `do_chunked` and
        `chunk_size`, `files.missing`, and `files.invalid` for a path outside of the working folder unless
        `disable_path_validation` is set.
        """
        _refuse_config(config_path)
        if do_chunked or chunk_size != _CHUNK:
            self.chunked_upload()
        container = self.get_container(target)
        place, client = _reference(container), self._client()
        if place.digest:
            raise InputError("input.invalid", "what is pushed decides the digest", where=target, advice="name a tag")
        notes = oras.oci.Annotations(annotation_file)
        made = [self._layer(str(item), notes, anywhere=disable_path_validation) for item in files or ()]
        made.append(self._config(manifest_config, notes))
        client.expect(pushed=len(made))
        together(lambda one: client.put_blob(place.repository, *one), made, TRANSFERS)
        *layers, config = [descriptor.document() for descriptor, _ in made]
        given = {**notes.get_annotations("$manifest"), **(manifest_annotations or {})}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
        manifest |= {"annotations": given} if given else {}
        manifest |= {"subject": asdict(subject)} if subject else {}
        response = self.upload_manifest(manifest, container)
        if not quiet:
            _LOG.info("pushed %s", container)
        return response

    def pull(
        self,
        target: str,
        config_path: str | None = None,
        allowed_media_type: Sequence[str] | None = None,
        overwrite: bool = True,
        outdir: str | None = None,
    ) -> list[str]:
        """Write each layer to a file with its title below `outdir`, or unpack it there if it is a folder; their paths.

        A folder is what says so, as the oras program writes it, or what has its media type, as oras-py writes it.

        Raises `archive.unsafe` for a title that leaves `outdir`, and for everything that `untar` refuses.
        """
        _refuse_config(config_path)
        client, place = self._client(), _reference(self.get_container(target))
        found = artifact.parse(self._manifest(client, place, allowed_media_type))
        if found.children:
            child = artifact.select_child(found)
            found = artifact.parse(client.manifest(place.repository, child.digest), child.media_type)
        root = Path(outdir or tempfile.mkdtemp(prefix="kubeoci-"))
        paths = []
        for layer in found.layers:
            title = layer.annotations.get(TITLE, layer.digest)
            path = inside(root, title)
            if not overwrite and path.exists():
                _LOG.warning("%s exists and is kept", path)
                continue
            with client.blob(place.repository, layer) as blob:
                if layer.annotations.get(UNPACK) == "true" and TITLE in layer.annotations:
                    unpack(root, root, blob, below=title)
                elif layer.media_type == DIRECTORY:
                    unpack(root, path.parent, blob)
                else:
                    write(path, blocks(blob))
            paths.append(str(path))
        return paths

    def do_request(
        self,
        url: str,
        method: str = "GET",
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        stream: bool = False,  # noqa: ARG002 - a blob is streamed always, from a checked copy
    ) -> requests.Response:
        """The answer to one request below `/v2/REPOSITORY/`, whatever its status; what a digest names is checked.

        Scheme and host are those that our own client would use for the host of `url`.
        """
        parts = urlsplit(url)
        found = _URL.fullmatch(parts.path)
        if not found:
            raise InputError("input.invalid", "this is no request to a repository", where=parts.path)
        if any(name.lower() == "authorization" for name in headers or {}):
            raise _refused("Authorization", "credentials come from the settings or from Docker's configuration")
        repository, rest = reference.parse(f"{parts.netloc}/{found[1]}").repository, found[2]
        client = self._client()
        if method == "GET" and rest.startswith("blobs/sha"):
            return _blob_response(client, repository, digests.parse(rest.removeprefix("blobs/")), url)
        body = artifact.canonical(dict(json)) if json is not None else data or b""
        request = Request(
            method,
            f"{client._api(repository)}/{rest}" + (f"?{parts.query}" if parts.query else ""),  # noqa: SLF001 - this facade is the rest of that class
            dict(headers or {}),
            (lambda: BytesIO(body)) if body else None,
            len(body),
            max_bytes=self._settings.limits.max_manifest_bytes,
        )
        answer = client._authority.send(request, repository, _ACTIONS.get(method, PUSH))  # noqa: SLF001 - as above
        _check_manifest(method, rest, answer)
        fields = {name: ", ".join(values) for name, values in answer.headers.items()}
        return _response(method, url, answer.status, fields, BytesIO(answer.body))

    def _client(self) -> Registry:
        """A client whose time starts now."""
        return Registry(self._settings, self._cache, environment=self._environment, shared=self._shared)

    def _repository(self, container: str | oras.container.Container) -> Repository:
        return _reference(self.get_container(container)).repository

    def _manifest(self, client: Registry, place: Reference, allowed: Sequence[str] | None) -> bytes:
        raw = client.manifest(place.repository, client.resolve(place))
        found = artifact.parse(raw).media_type
        if allowed and found not in allowed:
            raise RegistryError("registry.unsupported", f"the manifest is of type {found}", where=str(place))
        return raw

    def _layer(self, item: str, notes: oras.oci.Annotations, *, anywhere: bool) -> Source:
        name, media_type = split(item)
        return source(name, media_type, notes.get_annotations(name), self._cache, anywhere=anywhere)

    def _config(self, given: str | None, notes: oras.oci.Annotations) -> Source:
        name, media_type = split(given) if given else ("", "")
        data = Path(name).read_bytes() if name else b"{}"
        about = notes.get_annotations("$config")
        return Descriptor(media_type or UNKNOWN_CONFIG, digests.of(data), len(data), about), lambda: BytesIO(data)


def _reference(container: oras.container.Container) -> Reference:
    """What a container means to us. Raises `reference.invalid`."""
    digest = f"@{container.digest}" if container.digest else ""
    return reference.parse(f"{container.registry}/{container.api_prefix}:{container.tag}{digest}")


def _look(client: Registry, repository: Repository, digest: Digest) -> Descriptor:
    """Digest and size of a blob of which only the digest is known, by one HEAD."""
    answer = client._authority.send(Request("HEAD", client._blob_url(repository, digest)), repository, PULL)  # noqa: SLF001 - as above
    length = answer.header("content-length")
    if answer.status != http.HTTPStatus.OK:
        raise failure(answer)
    if not re.fullmatch("[0-9]{1,18}", length):
        raise RegistryError("registry.unsupported", "the registry does not tell the size of a blob", where=answer.place)
    return Descriptor("application/octet-stream", digest, int(length))


def _blob_response(client: Registry, repository: Repository, digest: Digest, url: str) -> requests.Response:
    try:
        descriptor = _look(client, repository, digest)
    except Refused as error:  # the callers of oras-py look at the status
        return _response("GET", url, error.status, {}, BytesIO())
    headers = {"Content-Length": str(descriptor.size), "Docker-Content-Digest": digest}
    return _response("GET", url, http.HTTPStatus.OK, headers, client.blob(repository, descriptor))


def _check_manifest(method: str, rest: str, answer: Answer) -> None:
    """Raise `registry.digest_mismatch` for a manifest that is not what its digest, or the registry, says."""
    name = rest.removeprefix("manifests/")
    if method != "GET" or name == rest or answer.status != http.HTTPStatus.OK:
        return
    if ":" in name:
        check_body(digests.parse(name), answer.body, answer.place)
    check_told(answer, digests.of(answer.body))


def _stored(place: Reference, kind: str, digest: Digest) -> requests.Response:
    """What oras-py's callers expect after something was stored."""
    url = f"https://{place.repository.api_host}/v2/{place.repository.path}/{kind}/{digest}"
    return _response("PUT", url, http.HTTPStatus.CREATED, {"Docker-Content-Digest": digest}, BytesIO())


def _response(method: str, url: str, status: int, headers: Mapping[str, str], body: BinaryIO) -> requests.Response:
    raw = urllib3.HTTPResponse(
        body=body,
        headers=headers,
        status=status,
        reason=http.client.responses.get(status, ""),
        preload_content=False,
        decode_content=False,
        request_method=method,
    )
    return HTTPAdapter().build_response(requests.Request(method, url).prepare(), raw)


def _refuse_config(path: str | None) -> None:
    if path is not None:
        raise _refused("config_path", "set DOCKER_CONFIG to its folder, or give credentials in the settings")


def _refused(name: str, advice: str) -> InputError:
    return InputError("input.unknown", "has no effect with kubeoci", where=name, advice=advice)
