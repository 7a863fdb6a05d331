"""The state of a run underway: all that the rest of it depends on, as one safetensors file.

Two such files lie in a run's folder, the latest and the one before it. Each is written whole or not
at all, and carries a checksum, so that a damaged one is known for what it is. Nothing is pickled.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as unpack
from safetensors.torch import save as pack
from torch import Tensor

from ..errors import TrainError
from .rundir import PREVIOUS, SETTINGS, STATE

HEADER = "archc-state"
"""The entry of the file's header that holds facts and checksum, as JSON."""
FORMAT = 1
"""Counts up when a file no longer means what it meant."""


@dataclass(frozen=True)
class State:
    """Tensors by name, on the CPU, and facts that are JSON."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names start with `prefix/`, under the rest of their names."""
        start = prefix + "/"
        return {k.removeprefix(start): t for k, t in self.tensors.items() if k.startswith(start)}

    def packed(self) -> bytes:
        """As the bytes of a safetensors file."""
        tensors = {name: t.detach().cpu().contiguous().clone() for name, t in self.tensors.items()}
        facts = json.dumps(self.facts)
        header = {"format": FORMAT, "crc32": _checksum(tensors, facts), "facts": facts}
        return pack(tensors, {HEADER: json.dumps(header)})


def parse(data: bytes, where: Path) -> State:
    """The state in the bytes of a file. Raises TrainError E0808 where there is none, or damage."""
    try:
        size = int.from_bytes(data[:8], "little")
        entries = json.loads(data[8 : 8 + size]).get("__metadata__") or {}
        header = json.loads(entries[HEADER])
        tensors = unpack(data)
    except KeyError:
        raise _unusable(where, "it is not the state of a run of archc") from None
    except (SafetensorError, ValueError, AttributeError, TypeError):
        raise _unusable(where, "it is no safetensors file, or cut short") from None
    if header.get("format") != FORMAT:
        raise _unusable(where, "it was written by another version of archc")
    if header.get("crc32") != _checksum(tensors, header["facts"]):
        raise _unusable(where, "its checksum is wrong, so it is damaged")
    return State(tensors, json.loads(header["facts"]))


def latest(folder: Path) -> tuple[bytes, list[str]]:
    """The newest usable state file of a run's folder, and what was wrong with a newer one.

    Raises TrainError E0808 where there is none.
    """
    said: list[str] = []
    for name in (STATE, PREVIOUS):
        path = folder / name
        try:
            data = path.read_bytes()
            parse(data, path)
        except FileNotFoundError:
            continue
        except OSError as error:
            said.append(f"cannot read the checkpoint `{path}`: {error.strerror}")
        except TrainError as error:
            said.append(error.message)
        else:
            return data, said
    if said:
        raise TrainError(
            "E0808",
            said[0],
            notes=tuple(said[1:]),
            help=f"`archc train SPEC --init {folder}` begins anew, with its weights",
        )
    help = "name the folder that a run wrote to, as `runs/lenet5-001`"
    if (folder / SETTINGS).exists():
        help = f"the run ended before its first state: begin it again, with `-o {folder}`"
    raise TrainError("E0808", f"`{folder}` holds no state of a run to go on from", help=help)


def _checksum(tensors: Mapping[str, Tensor], facts: str) -> int:
    """CRC-32 over the facts, and over names and bytes of the tensors in the order of the names."""
    value = zlib.crc32(facts.encode())
    for name in sorted(tensors):
        value = zlib.crc32(name.encode(), value)
        flat = tensors[name].contiguous().reshape(-1)
        if flat.numel():
            value = zlib.crc32(flat.view(torch.uint8).numpy().data, value)
    return value


def _unusable(where: Path, why: str) -> TrainError:
    return TrainError("E0808", f"cannot use the checkpoint `{where}`: {why}")
