# SPDX-License-Identifier: Apache-2.0
"""Small servers on loopback that behave like the real ones, record what they are asked, and fail on demand."""
