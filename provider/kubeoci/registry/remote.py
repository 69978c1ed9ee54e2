# SPDX-License-Identifier: Apache-2.0
"""One registry as an operation sees it: resolve, read, write, list, delete.

There is no way to read bytes without their digest: manifests and blobs are asked from the content cache first, and
what comes over the network is hashed as a whole before anybody gets it.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO
from urllib.parse import urljoin

from kubeoci import artifact, reference
from kubeoci import digest as digests
from kubeoci.artifact import Descriptor
from kubeoci.digest import Digest
from kubeoci.errors import RegistryError
from kubeoci.reference import Reference, Repository
from kubeoci.registry import referrers
from kubeoci.registry.answer import Answer, failure
from kubeoci.registry.auth import Authority, Memory
from kubeoci.registry.cache import Cache
from kubeoci.registry.connections import Connections
from kubeoci.registry.deadline import Deadline
from kubeoci.registry.download import Download, check_body, check_told, told_digest
from kubeoci.registry.progress import Tally, Voice
from kubeoci.registry.protocols import DELETE, PULL, PUSH
from kubeoci.registry.tags import list_tags
from kubeoci.registry.transport import Request, Settings, Transport
from kubeoci.registry.upload import Upload

_OK = 200
_GOOD = range(200, 300)
_GONE = 404
_BAD_RANGE = 416
_NO_SUCH_METHOD = frozenset({400, 405, 501})
_DEFAULT_TAG = "latest"


@dataclass(slots=True)
class Shared:
    """What all operations of a process have in common. A test makes its own."""

    connections: Connections = field(default_factory=Connections)
    memory: Memory = field(default_factory=Memory)
    turns: dict[Digest, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))
    writing: dict[tuple[Repository, Digest], threading.Lock] = field(
        default_factory=lambda: defaultdict(threading.Lock)
    )
    lists_referrers: dict[Repository, bool] = field(default_factory=dict)


_SHARED = Shared()


class Registry:
    """Whatever registry a repository lives in, for one operation: its time starts when this is made. Thread-safe.

    Making one is cheap: connections, tokens and what was learned about a registry live as long as the process.
    Beyond what each method tells, all raise `registry.unreachable`, `registry.unauthorized`, `registry.denied`,
    `registry.rate_limited`, `registry.failed`, `registry.unsafe_redirect`, `registry.credentials` and `Stopped`.

    Args:
        settings: how to reach it.
        cache: asked before the registry, and filled from it.
        stop: set when the user gives up.
        progress: gets lines about long transfers, ten a second at most; never a secret. What two registries of
            one operation say is ten a second together if they are given one `Voice`.
        environment: where configuration files are looked for; `os.environ` when left out.
        shared: connections and tokens; those of the process when left out.
    """

    def __init__(
        self,
        settings: Settings,
        cache: Cache,
        *,
        stop: threading.Event | None = None,
        progress: Callable[[str], None] = lambda _text: None,
        environment: Mapping[str, str] | None = None,
        shared: Shared | None = None,
    ) -> None:
        shared = shared or _SHARED
        self.cache = cache
        voice = Voice(progress)
        self._pushed, self._pulled = Tally("pushed", voice), Tally("pulled", voice)
        self.deadline = Deadline(settings.timeout_seconds, stop or threading.Event())
        self._settings = settings
        self.lists_referrers = shared.lists_referrers
        self._turns = shared.turns
        self._writing = shared.writing
        self._transport = Transport(settings, self.deadline, shared.connections)
        self._authority = Authority(
            self._transport, shared.memory, settings.credentials, environment, realms=settings.realms
        )

    def resolve(self, ref: Reference, *, actions: str = PULL) -> Digest:
        """The digest of a tag (`latest` if there is none), by one HEAD; of a digest itself without any request.

        Raises `registry.not_found`.
        """
        if ref.digest:
            return ref.digest
        tag = ref.tag or _DEFAULT_TAG
        found = self.tag(ref.repository, tag, actions=actions)
        if found is None:
            advice = "push it first, or check the name; a registry may also hide what the credentials may not see"
            raise RegistryError(
                "registry.not_found", f"no tag {tag!r} in {ref.repository}", where=str(ref), advice=advice
            )
        return found

    def tag(self, repository: Repository, tag: str, *, actions: str = PULL) -> Digest | None:
        """As `resolve`, but None where there is no such tag or repository."""
        request = Request("HEAD", self._manifest_url(repository, tag), {"Accept": artifact.ACCEPT})
        answer = self._authority.send(request, repository, actions)
        if answer.status == _GONE:
            return None
        if answer.status != _OK:
            raise failure(answer)
        return told_digest(answer) or self._hash(repository, tag)

    def manifest(self, repository: Repository, digest: Digest) -> bytes:
        """The raw bytes of a manifest or index, which have this digest.

        Raises `registry.not_found`, `registry.digest_mismatch`, `registry.too_large`, and `registry.unsupported` when
        its `mediaType` is not the `Content-Type` that it came with.
        """
        if (cached := self.cache.get(digest)) is not None:
            return cached
        answer = self._get_manifest(repository, digest)
        check_body(digest, answer.body, answer.place)
        check_told(answer, digest)
        artifact.parse(answer.body, answer.header("content-type"))
        self._store(digest, answer.body)
        return answer.body

    def exists(self, repository: Repository, digest: Digest, *, actions: str = PULL) -> bool:
        """Whether the registry, not only the cache, has the manifest."""
        request = Request("HEAD", self._manifest_url(repository, digest), {"Accept": artifact.ACCEPT})
        answer = self._authority.send(request, repository, actions)
        if answer.status not in {_OK, _GONE}:
            raise failure(answer)
        return answer.status == _OK

    def blob(self, repository: Repository, descriptor: Descriptor) -> BinaryIO:
        """The bytes of a blob, all of them hashed before the first one can be read. To be closed by the caller.

        Raises `registry.not_found`, `registry.digest_mismatch`, `registry.too_large`.
        """
        limit = self._settings.limits.max_blob_bytes
        if descriptor.size > limit:
            what = f"a blob of {descriptor.size} bytes is over the limit of {limit}"
            raise RegistryError("registry.too_large", what, where=f"{repository}@{descriptor.digest}")
        with self.deadline.hold(self._turns[descriptor.digest]):  # many readers, one download
            return self.cache.open_blob(descriptor.digest) or self._download(repository, descriptor)

    def tags(self, repository: Repository) -> list[str]:
        """All tags, in the order of the registry. Raises `registry.not_found`, `registry.too_large`."""
        send = lambda request: self._authority.send(request, repository, PULL)  # noqa: E731 - it is one argument
        return list_tags(f"{self._api(repository)}/tags/list", send, self._settings.limits)

    def put_manifest(self, repository: Repository, ref: str, raw: bytes, media_type: str) -> None:
        """Store a manifest under a tag or under its digest, replacing what the tag named.

        Raises a `Refused` that holds the registry's own codes, and `registry.digest_mismatch`.
        """
        self.store_manifest(repository, ref, raw, media_type)

    def store_manifest(self, repository: Repository, ref: str, raw: bytes, media_type: str) -> Answer:
        """As `put_manifest`; what the registry answered, which may say more than that it is stored."""
        url = self._manifest_url(repository, ref)
        headers = {"Content-Type": media_type}
        request = Request("PUT", url, headers, lambda: BytesIO(raw), len(raw))
        answer = self._authority.send(request, repository, PUSH)
        if answer.status not in _GOOD:
            raise failure(answer)
        check_told(answer, digests.of(raw))
        return answer

    def get(
        self, repository: Repository, path: str, *, actions: str = PULL, accept: str = "", max_bytes: int = 1 << 20
    ) -> Answer:
        """What the registry answers to a GET of `path` below the repository, or of a URL, whatever its status.

        This is for lists, which have no digest; whoever calls it checks what came.
        """
        url = urljoin(f"{self._api(repository)}/", path)
        request = Request("GET", url, max_bytes=max_bytes).having(Accept=accept)
        return self._authority.send(request, repository, actions)

    def referrers(self, repository: Repository, subject: Digest, *, merged: bool = False) -> list[Descriptor]:
        """What names `subject`: see `referrers.read`."""
        return referrers.read(self, repository, subject, merged=merged)

    def tagged(self, repository: Repository, tag: str) -> bytes | None:
        """The raw manifest that a tag names now, by one request; None where there is no such tag.

        Raises `registry.digest_mismatch`, `registry.too_large`, and `registry.unsupported` for what is no manifest.
        """
        answer = self._ask_manifest(repository, reference.check_tag(tag))
        if answer.status == _GONE:
            return None
        if answer.status != _OK:
            raise failure(answer)
        check_told(answer, digests.of(answer.body))
        artifact.parse(answer.body, answer.header("content-type"))
        return answer.body

    def attach(self, repository: Repository, raw: bytes, media_type: str = artifact.MANIFEST) -> Digest:
        """Store a manifest, whose blobs are there, so that it is listed as a referrer: see `referrers.attach`."""
        return referrers.attach(self, repository, raw, media_type)

    def detach(self, repository: Repository, subject: Digest, gone: Collection[Digest]) -> None:
        """Remove these referrers of `subject` and their entries in the list: see `referrers.detach`."""
        referrers.detach(self, repository, subject, gone)

    def turn(self, repository: Repository, subject: Digest) -> AbstractContextManager[bool]:
        """Alone in this process with what belongs to `subject`; `attach` and `detach` take their turn themselves."""
        return self.deadline.hold(self._writing[repository, subject])

    def pause(self, seconds: float) -> None:
        """Wait for others, not beyond the deadline or the end by the user. Raises `Stopped`."""
        self.deadline.wait(seconds)

    def has_blob(self, repository: Repository, digest: Digest) -> bool:
        """Whether the repository holds a blob; asked as part of a push."""
        answer = self._authority.send(Request("HEAD", self._blob_url(repository, digest)), repository, PUSH)
        if answer.status not in {_OK, _GONE}:
            raise failure(answer)
        return answer.status == _OK

    def put_blob(
        self,
        repository: Repository,
        descriptor: Descriptor,
        source: Callable[[], BinaryIO],
        *,
        absent: bool = False,
        mount: Repository | None = None,
    ) -> bool:
        """Store a blob; False when no bytes were sent. `source` opens its bytes, again for each try.

        `absent`: do not ask whether it is there. `mount`: a repository of the same registry that has it; where the
        registry can, nothing is sent.

        Raises a `Refused` that holds the registry's own codes.
        """
        many_writers_one_upload = self.deadline.hold(self._writing[repository, descriptor.digest])
        with self._pushed.blob() as meter, many_writers_one_upload as waited:
            if (waited or not absent) and self.has_blob(repository, descriptor.digest):
                return False
            also = f"repository:{mount.path}:{PULL}" if mount else ""
            send = lambda request: self._authority.send(request, repository, PUSH, also)  # noqa: E731 - one argument
            url, origin = f"{self._api(repository)}/blobs/uploads/", mount.path if mount else ""
            return Upload(self._transport, send, url, descriptor, source, meter, origin).run()

    def expect(self, *, pushed: int = 0, pulled: int = 0) -> None:
        """So many blobs are going to be stored and fetched: for the lines about it."""
        self._pushed.expect(pushed)
        self._pulled.expect(pulled)

    def delete_tag(self, repository: Repository, tag: str) -> None:
        """Remove a tag, nothing else; gone already is fine.

        Raises `registry.unsupported` where tags cannot be deleted: then it is never done through the digest, which
        would take every other tag along.
        """
        self._delete(repository, reference.check_tag(tag), "cannot delete a tag on its own")

    def delete_manifest(self, repository: Repository, digest: Digest) -> None:
        """Remove a manifest and with it, in most registries, all tags that name it; gone already is fine.

        Raises `registry.unsupported` where deletion is switched off.
        """
        self._delete(repository, digest, "does not delete manifests")

    def _delete(self, repository: Repository, ref: str, cannot: str) -> None:
        answer = self._authority.send(Request("DELETE", self._manifest_url(repository, ref)), repository, DELETE)
        if answer.status in _NO_SUCH_METHOD:
            advice = "allow deletion in the registry's configuration, or keep it"
            raise RegistryError(
                "registry.unsupported", f"{repository.host} {cannot}", where=answer.place, advice=advice
            )
        if answer.status not in _GOOD and answer.status != _GONE:
            raise failure(answer)

    def _hash(self, repository: Repository, tag: str) -> Digest:
        """The digest of what a tag names now, for registries that do not tell it."""
        answer = self._get_manifest(repository, tag)
        artifact.parse(answer.body, answer.header("content-type"))
        return self.cache.put(answer.body)

    def _get_manifest(self, repository: Repository, ref: str) -> Answer:
        answer = self._ask_manifest(repository, ref)
        if answer.status != _OK:
            raise failure(answer)
        return answer

    def _ask_manifest(self, repository: Repository, ref: str) -> Answer:
        limit = self._settings.limits.max_manifest_bytes
        request = Request("GET", self._manifest_url(repository, ref), {"Accept": artifact.ACCEPT}, max_bytes=limit)
        return self._authority.send(request, repository, PULL)

    def _download(self, repository: Repository, descriptor: Descriptor) -> BinaryIO:
        with self._pulled.blob() as meter, self.cache.stage() as stage:
            sink = Download(descriptor, stage.file, meter)
            request = Request("GET", self._blob_url(repository, descriptor.digest), sink=sink)
            answer = self._authority.send(request, repository, PULL)
            if answer.status == _BAD_RANGE:  # it cannot go on in the middle
                sink.restart()
                answer = self._authority.send(request, repository, PULL)
            if answer.status not in _GOOD:
                raise failure(answer)
            sink.finish()
            check_told(answer, descriptor.digest)
            stage.commit(descriptor.digest)
            return stage.reopen()

    def _store(self, digest: Digest, data: bytes) -> None:
        with self.cache.stage() as stage:
            stage.file.write(data)
            stage.commit(digest)

    def _api(self, repository: Repository) -> str:
        insecure = self._settings.insecure
        plain = repository.is_loopback if insecure is None else insecure
        return f"{'http' if plain else 'https'}://{repository.api_host}/v2/{repository.path}"

    def _manifest_url(self, repository: Repository, ref: str) -> str:
        checked = digests.parse(ref) if ":" in ref else reference.check_tag(ref)
        return f"{self._api(repository)}/manifests/{checked}"

    def _blob_url(self, repository: Repository, digest: Digest) -> str:
        return f"{self._api(repository)}/blobs/{digest}"
