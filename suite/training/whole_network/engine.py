"""The devices that train: one or many, on one machine or several, through Lightning Fabric.

Each process embeds its share of a batch; embeddings are gathered with their gradient, and every process computes the loss of
the whole batch. The gradient of gathering sums over the processes, ``DistributedDataParallel`` takes the mean: together they
give each parameter, proxies included, the gradient that one process would have computed. Buffers, such as a loss's memory,
are those of the first process before each step: what rounding makes different in others is not carried on.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, cast

import torch
import torch.distributed
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, nn

from suite.errors import SuiteError
from suite.training.whole_network.networks import EmbeddingNetwork

Accelerator = Literal["auto", "cpu", "gpu"]
Precision = Literal["bfloat16", "float32"]


@dataclass(frozen=True, slots=True)
class Machine:
    """What a run is computed on. It changes results by rounding only.

    Attributes:
        accelerator: "auto" takes GPUs where there are some.
        devices: processes on this machine, each with a GPU of its own; 0 for all GPUs, or one process on a CPU.
        nodes: machines.
        workers: processes that read images, for each device.
        compile: whether the network goes through ``torch.compile``.
    """

    accelerator: Accelerator = "auto"
    devices: int = 0
    nodes: int = 1
    workers: int = 4
    compile: bool = False


class Engine:
    """Processes that have been started, and what they do together.

    Args:
        machine: what to run on.
        precision: of the network's forward and backward pass; the loss is in float32 always.
        part_learns: whether the network has parameters that do not learn in some epochs.

    Raises:
        SuiteError: there are fewer GPUs than asked for.
    """

    def __init__(self, machine: Machine, precision: Precision, *, part_learns: bool) -> None:
        kind, devices = _devices(machine)
        several = devices * machine.nodes > 1
        strategy = DDPStrategy(find_unused_parameters=part_learns) if several else "auto"
        self.machine = machine
        self._precision = precision
        self._fabric = Fabric(
            accelerator=kind, devices=devices, num_nodes=machine.nodes, strategy=strategy, precision="32-true"
        )
        self._fabric.launch()

    @property
    def device(self) -> torch.device:
        """Of this process."""
        return self._fabric.device

    @property
    def rank(self) -> int:
        """Number of this process, from 0. The first one writes files and prints."""
        return self._fabric.global_rank

    @property
    def world(self) -> int:
        """Number of processes."""
        return self._fabric.world_size

    @property
    def gpu(self) -> str:
        """Name of the GPU that computes; empty where there is none."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else ""

    def wait(self) -> None:
        """Wait for all processes."""
        self._fabric.barrier()

    def autocast(self) -> AbstractContextManager[object]:
        """Where the network computes."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._precision == "bfloat16")

    def set_up_network(self, network: EmbeddingNetwork) -> nn.Module:
        """Move a network to the device, in channels-last order; gives what is called in its place.

        Raises:
            SuiteError: batch norm would take its statistics from several processes without GPUs.
        """
        network.to(memory_format=torch.channels_last)
        if self.world > 1 and network.freeze_batch_norm == "none" and network.has_batch_norm:
            if self.device.type == "cpu":
                raise SuiteError(
                    "backbone.freeze_batch_norm = 'none' over several processes needs GPUs; allowed: one process, or "
                    "statistics, statistics_and_affine"
                )
            network.trunk = convert_sync_batchnorm(network.trunk)  # type: ignore[no-untyped-call]
        module = cast("nn.Module", torch.compile(network)) if self.machine.compile else network
        return self._fabric.setup_module(module)

    def set_up_loss(self, loss: nn.Module) -> Callable[..., Tensor]:
        """Move a loss to the device; gives what is called in its place."""
        if any(parameter.requires_grad for parameter in loss.parameters()):
            return self._fabric.setup_module(loss)  # which shares buffers, too
        loss.to(self.device)

        def with_shared_buffers(*arguments: object, **named: object) -> Tensor:
            for buffer in loss.buffers():
                shared = buffer.contiguous()
                torch.distributed.broadcast(shared, src=0)
                if shared is not buffer:
                    buffer.copy_(shared)
            value: Tensor = loss(*arguments, **named)
            return value

        return with_shared_buffers if self.world > 1 else loss

    def to_device(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) on the device, in channels-last order."""
        return images.to(self.device, memory_format=torch.channels_last, non_blocking=True)

    def gather(self, rows: Tensor, count: int) -> Tensor:
        """The first ``count`` of the rows (b, D) of all processes, one process after the other, with their gradient."""
        if self.world == 1:
            return rows[:count]
        gathered = self._fabric.all_gather(rows, sync_grads=True)
        assert isinstance(gathered, Tensor)
        return gathered.flatten(0, 1)[:count]


def _devices(machine: Machine) -> tuple[str, int]:
    """Kind and number of devices on this machine."""
    gpus = torch.cuda.device_count()
    if machine.accelerator == "gpu" and not gpus:
        raise SuiteError("--accelerator gpu: torch finds no GPU on this machine; allowed: cpu or auto")
    if machine.accelerator == "cpu" or not gpus:
        return "cpu", machine.devices or 1
    if machine.devices > gpus:
        raise SuiteError(f"--devices {machine.devices}: this machine has {gpus} GPUs; allowed: 1 to {gpus}, 0 for all")
    return "cuda", machine.devices or gpus
