# SPDX-License-Identifier: Apache-2.0
"""The core of pulumi-kubeoci: pack, push, resolve, pull, plan, apply and prune Kubernetes manifests as OCI artifacts.

Importing this package loads none of its parts: what is slow is imported where it is used.
"""

__version__ = "0.1.0"
