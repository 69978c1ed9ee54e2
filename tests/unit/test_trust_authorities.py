# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.authorities: whom a signing configuration names, and which ones are not asked."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from kubeoci.errors import TrustError
from kubeoci.trust import authorities
from kubeoci.trust.authorities import Authorities

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CA, LOG, LOG2, TSA = "https://ca.example", "https://log.example", "https://log2.example", "https://tsa.example/stamp"


def service(url: str, version: int = 1, operator: str = "x", **valid: str) -> dict[str, Any]:
    """One service, to be used since ever."""
    return {"url": url, "majorApiVersion": version, "validFor": {"start": "2020-01-01T00:00:00Z"} | valid} | (
        {"operator": operator} if operator else {}
    )


def configuration(**changes: object) -> str:
    """A configuration with one service of each kind and these changes; None takes a member away."""
    stated = {
        "mediaType": authorities.MEDIA_TYPE,
        "caUrls": [service(CA)],
        "oidcUrls": [service("https://oidc.example")],
        "rekorTlogUrls": [service(LOG)],
        "rekorTlogConfig": {"selector": "ANY"},
        "tsaUrls": [service(TSA)],
        "tsaConfig": {"selector": "ANY"},
    } | changes
    return json.dumps({name: value for name, value in stated.items() if value is not None})


def read(**changes: object) -> Authorities:
    """What is chosen of it."""
    return authorities.read(configuration(**changes), source="inline", is_users=True, now=NOW)


def refused(text: str) -> str:
    """Why a configuration cannot be used."""
    with pytest.raises(TrustError) as caught:
        authorities.read(text, source="inline", is_users=True, now=NOW)
    assert "trust.bad_policy" == caught.value.code
    return caught.value.what.removeprefix("the signing configuration (inline) cannot be used: ")


def test_one_of_each() -> None:
    """Addresses without a slash at their end."""
    assert Authorities(CA, LOG, 1, (TSA,)) == read(caUrls=[service(f"{CA}/")])


def test_no_time_stamps_are_needed_where_the_log_tells_the_time() -> None:
    """That of version 1 does."""
    assert () == read(tsaUrls=None, tsaConfig=None).stampers


def test_the_log_of_version_1_is_taken() -> None:
    """It serves both formats; that of version 2 is for those who have no other."""
    assert (LOG, 1) == log(read(rekorTlogUrls=[service(LOG2, 2), service(LOG)]))
    assert (LOG2, 2) == log(read(rekorTlogUrls=[service(LOG2, 2), service("https://log3.example", 3)]))


def log(found: Authorities) -> tuple[str, int]:
    """The chosen log."""
    return found.log, found.log_version


def test_services_out_of_their_time_are_passed_over() -> None:
    """Before their start and after their end."""
    gone, coming = service("https://a.example", end="2025-01-01T00:00:00Z"), service(CA, start="2027-01-01T00:00:00Z")
    assert CA == read(caUrls=[gone, service(CA)]).ca
    assert "caUrls names no certificate authority that serves now" == refused(configuration(caUrls=[gone, coming]))


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, ["a"]),
        ({"selector": "ANY"}, ["a"]),
        ({"selector": "ALL"}, ["a", "c"]),
        ({"selector": "EXACT", "count": 1}, ["a"]),
        ({"selector": "EXACT", "count": 2}, ["a", "c"]),
    ],
)
def test_time_stamps(choice: dict[str, object], expected: list[str]) -> None:
    """As many as are wanted, each of another operator."""
    stampers = [service("https://a"), service("https://b"), service("https://c", operator="y")]
    assert expected == [url.removeprefix("https://") for url in read(tsaUrls=stampers, tsaConfig=choice).stampers]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"mediaType": "application/json"}, f"mediaType is not {authorities.MEDIA_TYPE}"),
        ({"caUrls": None}, "caUrls names no certificate authority that serves now"),
        ({"caUrls": {}}, "caUrls is no list"),
        ({"caUrls": [service(CA, 2)]}, "caUrls names no certificate authority that serves now"),
        ({"caUrls": [service(CA)] * 65}, "caUrls has 65 members, and 64 are read"),
        ({"caUrls": [service(f"{CA}/path")]}, f"caUrls names {CA}/path: an address with a path cannot be asked"),
        ({"rekorTlogUrls": []}, "rekorTlogUrls names no log that serves now"),
        ({"rekorTlogUrls": [service(LOG, 3)]}, "rekorTlogUrls names no log that serves now"),
        (
            {"rekorTlogUrls": [service(LOG, 2)], "tsaUrls": []},
            "tsaUrls names no time stamp authority, and the log (version 2) tells no time",
        ),
        (
            {"rekorTlogConfig": {"selector": "EXACT", "count": 2}},
            "rekorTlogConfig demands more than one log, and a signature has one entry",
        ),
        (
            {"rekorTlogConfig": {"selector": "ALL"}, "rekorTlogUrls": [service(LOG), service(LOG2, operator="y")]},
            "rekorTlogConfig demands more than one log, and a signature has one entry",
        ),
        (
            {"tsaConfig": {"selector": "EXACT", "count": 2}},
            "tsaUrls names 1 time stamp authorities that serve now, and needs 2",
        ),
        ({"tsaConfig": {"selector": "SOME"}}, "tsaConfig.selector is 'SOME', not ANY, ALL or EXACT"),
        ({"tsaConfig": {"selector": "EXACT"}}, "tsaConfig.count is no whole number from 0 to 2**53 - 1"),
        ({"caUrls": [{"url": CA}]}, "caUrls[0] has no majorApiVersion"),
        ({"caUrls": [service(CA) | {"extra": 1}]}, "caUrls[0] has the member 'extra', which has no place there"),
        ({"caUrls": [service("http://ca.example")]}, "caUrls[0].url is no https URL: 'http://ca.example'"),
        ({"caUrls": [service("https://")]}, "caUrls[0].url is no https URL: 'https:'"),
        ({"caUrls": [service("https://[")]}, "caUrls[0].url is no URL"),
        ({"caUrls": [service("https://me@ca.example")]}, "caUrls[0].url has more than host, port and path"),
        ({"tsaUrls": [service(f"{TSA}?x=1")]}, "tsaUrls[0].url has more than host, port and path"),
        ({"tsaUrls": [service(TSA, start="soon")]}, "tsaUrls[0].validFor.start is no time as RFC 3339 writes it"),
        ({"future": []}, "future is unknown"),
    ],
)
def test_configurations_that_cannot_be_used(changes: dict[str, object], what: str) -> None:
    """Each fault is named with its place."""
    assert what == refused(configuration(**changes))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "it is no JSON that all read alike"),
        ("[]", "it is no JSON object"),
        ("x" * ((1 << 20) + 1), "it is larger than 1048576 bytes"),
        ("\ud800", "it is not valid Unicode"),
    ],
    ids=range(4),
)
def test_texts_that_are_no_configuration(text: str, what: str) -> None:
    """Neither JSON nor small."""
    assert refused(text).startswith(what)


def test_services_of_this_machine_need_no_tls() -> None:
    """A Sigstore for tests."""
    assert "http://127.0.0.1:5000" == read(caUrls=[service("http://127.0.0.1:5000")]).ca


def test_the_unknown_in_what_came_by_tuf(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever wrote it cannot know who reads it: a warning."""
    with caplog.at_level(logging.WARNING):
        found = authorities.read(configuration(future=[]), source="public", is_users=False, now=NOW)
    assert (CA, ["the signing configuration (public) holds what is left out: future"]) == (found.ca, caplog.messages)


def test_the_library_sees_what_was_chosen() -> None:
    """And nothing else."""
    from sigstore.models import ClientTrustConfig  # noqa: PLC0415 - loads slowly

    from simulator.sigstore import Sigstore  # noqa: PLC0415

    chosen = Authorities("https://ca", "https://log", 2, ("https://a", "https://b"))
    document = Sigstore().trust_config("https://none") | {"signingConfig": chosen.document()}
    config = ClientTrustConfig.from_json(json.dumps(document)).signing_config
    assert ("https://ca", ["https://a", "https://b"]) == (
        config.get_fulcio().url, [each.url for each in config.get_tsas()]
    )  # fmt: skip
    assert ["https://log/api/v2"] == [each.url for each in config.get_tlogs()]
