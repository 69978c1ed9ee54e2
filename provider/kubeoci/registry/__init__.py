# SPDX-License-Identifier: Apache-2.0
"""Talking to container registries: nothing is read without its digest being checked."""
