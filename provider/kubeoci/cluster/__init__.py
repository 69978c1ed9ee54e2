# SPDX-License-Identifier: Apache-2.0
"""Talking to a Kubernetes API server: plan, apply, wait and prune."""
