# SPDX-License-Identifier: Apache-2.0
"""Whatever a registry writes into headers and short bodies: our own errors only, and soon."""

import json

from hypothesis import strategies as st

from kubeoci.artifact import Descriptor
from kubeoci.digest import of
from kubeoci.errors import KubeociError
from kubeoci.registry import challenge
from kubeoci.registry.answer import Answer, failure
from kubeoci.registry.auth import read_token
from kubeoci.registry.tags import next_page
from kubeoci.registry.transport import retry_after
from kubeoci.registry.upload import session_url
from properties.effort import outcome, repeated, tried

URL = "https://registry.test/v2/app/tags/list"
LONGEST = 20_000
HOSTS = (
    "registry.test",
    "registry.test:443",
    "other.test",
    "[",
    "[::1]",
    "]",
    "10.0.0.1",
    "a b",
    "x:99999999",
    "user@h",
    "",
)
addresses = st.one_of(
    st.text(max_size=60),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["", "https://", "http://", "//", "ftp:", "/"]),
        st.sampled_from(HOSTS),
        st.sampled_from(["", "/v2/app/tags/list?last=a", "?digest=x", "#f", "%zz", "/\x00"]),
    ),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def answer(body: bytes = b"", **headers: str) -> Answer:
    """An answer with these headers."""
    return Answer("GET", URL, 200, {name: (text,) for name, text in headers.items()}, body)


@tried(repeated(("Bearer ", "Basic", 'realm="', '"', "\\", ",", " ", "=", "a", '\\"', "\t", ";"), LONGEST))
def test_challenges(header: str) -> None:
    """A challenge is read, or passed over."""
    outcome(challenge.parse, [header])


@tried(repeated(("<", ">", ";", " ", "rel", "=", '"next"', ",", "/v2", "?", "\t"), LONGEST))
def test_links(header: str) -> None:
    """A `Link` leads to the next page, to no page, or to an error."""
    outcome(next_page, answer(link=header))


@tried(addresses)
def test_addresses(address: str) -> None:
    """A page and an upload session lead to where they may, or to an error."""
    outcome(next_page, answer(link=f'<{address}>; rel="next"'))
    outcome(session_url, answer(location=address), Descriptor("application/octet-stream", of(b""), 0))


@tried(
    st.one_of(
        st.text(max_size=40),
        st.integers().map(str),
        st.datetimes().map(str),
        repeated(("1", " ", ",", "Mon", ":"), LONGEST),
    )
)
def test_retry_after(text: str) -> None:
    """A pause is a number of seconds, or nothing."""
    seconds = outcome(retry_after, text)
    assert seconds is None or seconds >= 0


@tried(
    st.one_of(
        st.binary(max_size=60),
        st.fixed_dictionaries(
            {},
            optional={
                "token": st.just("t") | json_values,
                "access_token": json_values,
                "expires_in": st.sampled_from([10**400, -(10**400), 60]) | json_values,
            },
        )
        .map(json.dumps)
        .map(str.encode),
    )
)
def test_token_answers(body: bytes) -> None:
    """A token service gives a token that can stand in a header, or there is an error that does not repeat it."""
    result = outcome(read_token, answer(body))
    assert isinstance(result, KubeociError) or (result[0].isprintable() and result[0].isascii())


@tried(
    st.tuples(
        st.integers(400, 599),
        st.one_of(
            st.binary(max_size=60),
            st.fixed_dictionaries(
                {
                    "errors": st.lists(
                        st.dictionaries(st.sampled_from(["code", "message", "detail"]), json_values, max_size=3),
                        max_size=3,
                    )
                    | json_values
                }
            )
            .map(json.dumps)
            .map(str.encode),
        ),
    )
)
def test_complaints(given: tuple[int, bytes]) -> None:
    """Every complaint of a registry becomes one of our errors, without control characters."""
    status, body = given
    error = outcome(failure, Answer("GET", URL, status, {}, body))
    assert isinstance(error, KubeociError)
    assert not any(ord(character) < 32 and character != "\n" for character in str(error))
