"""Damaged copies of files, the same for the same seed, and how many a suite tries."""

import os
import random
import struct

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "20"))  # of each kind of file; `make fuzz` sets more
EDGES_32 = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF, 65536)
EDGES_64 = (0, 2**32, 2**63 - 1, 2**63, 2**64 - 1)


def damaged(data: bytes, draw: random.Random) -> bytes:
    """Return bytes with one to forty changes, most of them near the beginning."""
    content = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 5, 10, 40))):
        at = draw.randrange(max(len(content) if draw.random() < 0.6 else min(len(content), 600), 1))
        length = draw.choice((1, 4, 16, 64, 300))
        other = draw.randrange(max(len(content), 1))
        order = draw.choice("<>")
        change = draw.randrange(8)
        if change == 0:
            content[at : at + 1] = bytes([draw.randrange(256)])
        elif change == 1:
            content[at : at + 4] = struct.pack(f"{order}I", draw.choice(EDGES_32))
        elif change == 2:
            content[at : at + 8] = struct.pack(f"{order}Q", draw.choice(EDGES_64))
        elif change == 3:
            del content[at : at + length]
        elif change == 4:
            content[at:at] = draw.randbytes(length)
        elif change == 5:
            del content[other:]
        elif change == 6:
            content[at : at + length] = content[other : other + length]
        else:
            content[at : at + length] = bytes(length)
    return bytes(content)
