# SPDX-License-Identifier: Apache-2.0
"""kubeoci.cluster.claim: who works on an inventory."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kubeoci.cluster.claim import Claim


@pytest.fixture
def claim() -> Iterator[Claim]:
    """A claim of this process, for a minute."""
    made = Claim.make(60.0)
    yield made
    made.release()


def ended() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        return process.pid


def test_own_claim_is_live_until_it_is_released(claim: Claim) -> None:
    """Also when nobody could write down that it is over."""
    assert claim.is_live()
    claim.release()
    assert not claim.is_live()


def test_claim_survives_the_inventory(claim: Claim) -> None:
    """What is read is what was written."""
    assert claim == Claim.read(claim.plain())


def test_claim_ends_with_its_time(claim: Claim) -> None:
    """Whoever made it."""
    assert not replace(claim, until=time.time() - 1).is_live()


def test_claim_of_another_machine_is_believed(claim: Claim) -> None:
    """Nobody here can see its processes."""
    assert replace(claim, host="elsewhere", pid=ended(), token="other").is_live()


def test_claim_of_a_process_that_ended_binds_nobody(claim: Claim) -> None:
    """A killed run is finished at once."""
    assert not replace(claim, pid=ended()).is_live()


def test_number_that_another_process_got_is_not_the_claimant(claim: Claim) -> None:
    """The time when it began tells."""
    parent = replace(claim, pid=os.getppid())
    assert not replace(parent, began="1").is_live()


def test_claim_of_a_run_that_this_process_does_not_know(claim: Claim) -> None:
    """A container that was started again has the old name and number."""
    assert not replace(claim, token="other").is_live()


def test_claim_says_who_and_how_long(claim: Claim) -> None:
    """For the error of whoever comes second."""
    told = str(replace(claim, host="ci-7", pid=42, until=0.0))
    assert "process 42 on ci-7, which ends by 00:00:00 UTC" == told


@pytest.mark.parametrize(
    "value", [{}, {"token": "a"}, {"token": "a", "host": "b", "pid": "x", "began": "", "until": 0}]
)
def test_damaged_claim(value: dict[str, object]) -> None:
    """The inventory that has it is damaged."""
    with pytest.raises((TypeError, ValueError)):
        Claim.read(value)
