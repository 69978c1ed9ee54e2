# SPDX-License-Identifier: Apache-2.0
"""check, diff, plan, create, read, update and delete of the resources, as plain functions on plain values."""
