"""Devices that estimates are made for: peak rates, bandwidth and memory as their makers state them.

Rates are those of dense arithmetic (makers like to print the doubled ones of sparse matrices), at
boost clock. Real code reaches a part of them; `archc.analysis.roofline` says what is made of it.
"""

from __future__ import annotations

from typing import NamedTuple

G = 10**9
T = 10**12

PRECISIONS = ("fp32", "tf32", "bf16")
"""How numbers are multiplied: float32; float32 with a mantissa of 10 bits in tensor cores; 16 bits
(bfloat16, or float16 where a device has no bfloat16), where numbers in memory are half as large."""


class Device(NamedTuple):
    """Floating point operations a second by precision (None: it cannot), bytes a second, bytes."""

    name: str
    title: str
    fp32: int
    tf32: int | None
    bf16: int | None
    bandwidth: int
    memory: int
    source: str

    @property
    def cuda(self) -> bool:
        """Does it run the kernels of a GPU?"""
        return self.name != "cpu"

    def rate(self, precision: str) -> int | None:
        """Operations a second; None where the device cannot."""
        rate: int | None = getattr(self, precision)
        return rate


DEVICES = {
    device.name: device
    for device in (
        Device(
            "h200", "NVIDIA H200 SXM", 67 * T, 495 * T, 989 * T, 4800 * G, 141 * G,
            "NVIDIA H200 datasheet",
        ),
        Device(
            "h100", "NVIDIA H100 SXM", 67 * T, 495 * T, 989 * T, 3350 * G, 80 * G,
            "NVIDIA H100 datasheet",
        ),
        Device(
            "a100", "NVIDIA A100 SXM 80GB", 19_500 * G, 156 * T, 312 * T, 2039 * G, 80 * G,
            "NVIDIA A100 datasheet",
        ),
        Device(
            "v100", "NVIDIA V100 SXM2 32GB", 15_700 * G, None, 125 * T, 900 * G, 32 * G,
            "NVIDIA V100 datasheet; 16 bits are float16",
        ),
        Device(
            "t4", "NVIDIA T4", 8_100 * G, None, 65 * T, 320 * G, 16 * G,
            "NVIDIA T4 datasheet; 16 bits are float16",
        ),
        Device(
            "rtx4090", "NVIDIA GeForce RTX 4090", 82_600 * G, 82_600 * G, 165_200 * G, 1008 * G,
            24 * G, "NVIDIA Ada architecture whitepaper, float32 accumulation",
        ),
        Device(
            "cpu", "8 cores with AVX2 at 3 GHz, 2 channels of DDR4-3200", 768 * G, None, None,
            51_200_000_000, 32 * G,
            "arithmetic: 8 cores x 3 GHz x 2 units x 8 lanes x 2; 2 x 8 bytes x 3.2 GHz",
        ),
    )
}  # fmt: skip
"""By the name that `--device` takes."""
