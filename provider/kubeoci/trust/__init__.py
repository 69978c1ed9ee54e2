# SPDX-License-Identifier: Apache-2.0
"""Who made an artifact: cosign signatures, found, verified and written, with keys and with identities."""
