# SPDX-License-Identifier: Apache-2.0
"""The resource provider plugin `pulumi-resource-kubeoci`: gRPC in, lifecycle functions out."""
