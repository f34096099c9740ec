"""Arrays to a device, and tensors back to the processor."""

import torch
from torch import Tensor

from tarvitpose.utils.arrays import Float32, UInt8


def to_device(array: UInt8, device: torch.device) -> Tensor:
    """Return an array as a tensor on a device.

    CUDA reads it from pinned memory while Python goes on; the allocator keeps that until then.
    Other copies are waited for: MPS would read the array when it may be gone.
    """
    given = torch.from_numpy(array)
    if device.type != "cuda":
        return given.to(device)
    pinned = torch.empty(given.shape, dtype=given.dtype, pin_memory=True).copy_(given)
    return pinned.to(device, non_blocking=True)


def to_numpy(tensor: Tensor) -> Float32:
    """Return the values of a tensor in float32, when its device has computed them."""
    if tensor.device.type != "cuda":
        return tensor.float().cpu().numpy()
    pinned = tensor.float().to("cpu", non_blocking=True)  # PyTorch pins what it copies like this
    torch.cuda.current_stream(tensor.device).synchronize()
    return pinned.numpy()
