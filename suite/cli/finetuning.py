"""Fine-tuning on the published data sets."""

from enum import StrEnum
from typing import Annotated

import typer

from suite.cli.shared import console


class Device(StrEnum):
    """What trains."""

    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


Row = Annotated[str, typer.Argument(help="Name of a row in pipelines/published/params.yaml, e.g. pfml.")]
Benchmark = Annotated[str, typer.Argument(help="cub, cars or sop.")]
Accelerator = Annotated[Device, typer.Option(envvar="SUITE_ACCELERATOR", help="auto: GPUs where there are some.")]
Devices = Annotated[
    int, typer.Option(envvar="SUITE_DEVICES", min=0, help="Processes on this machine, each with its GPU; 0: all GPUs.")
]
Nodes = Annotated[int, typer.Option(envvar="SUITE_NODES", min=1, help="Machines.")]
Readers = Annotated[int, typer.Option(envvar="SUITE_READERS", min=0, help="Processes that read images, a device.")]


def finetune(
    dataset: Benchmark,
    row: Row,
    noise_level: Annotated[float, typer.Argument(help="Label noise, 0 to < 1.")],
    accelerator: Accelerator = Device.auto,
    devices: Devices = 0,
    nodes: Nodes = 1,
    readers: Readers = 4,
    compiled: Annotated[
        bool, typer.Option("--compile", envvar="SUITE_COMPILE", help="Compile the network (torch.compile).")
    ] = False,
) -> None:
    """Fine-tune and evaluate all seeds of one row on a published data set, going on where an interrupted stage stopped."""
    from suite.settings.benchmarks import BenchmarkCell, load_benchmarks
    from suite.training.whole_network.engine import Machine
    from suite.training.whole_network.planner import read_benchmark_plan
    from suite.training.whole_network.stage import run_stage

    load_benchmarks().row(dataset, row)
    cell = BenchmarkCell(dataset, row, noise_level)
    machine = Machine(accelerator.value, devices, nodes, readers, compiled)
    run_stage(cell, read_benchmark_plan(cell.plan), machine, console)
