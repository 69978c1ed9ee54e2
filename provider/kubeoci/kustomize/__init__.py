# SPDX-License-Identifier: Apache-2.0
"""Objects that kustomize builds: what a user adds to a kustomization, the search for what it reads, and the program."""
