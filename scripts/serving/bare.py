"""The bare loop that everything is compared with: a process for each core decodes and encodes.

Each process reads a JPEG from disk, decodes it, encodes it alone and forgets the result; nothing is
sent anywhere. The processes stay while the servers are measured and wait for the next word on a
pipe, which costs nothing. The network is the one that the service runs on this machine, where it
can in 8 bits; ``single`` is Pillow's decoding and the network in single precision, whatever the
service runs.

    python bare.py FOLDER    one of the processes; then "LOOP BEGIN SECONDS" a line on its input
"""

from __future__ import annotations

import contextlib
import io
import itertools
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np

ROOT = Path(__file__).parents[2]


class Bare:
    """The processes.

    Args:
        folder: of JPEG files.
        processes: how many, one for each core.
    """

    def __init__(self, folder: Path, processes: int, environment: dict[str, str]) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, str(Path(__file__)), str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment | {"PYTHONPATH": str(ROOT)},
                start_new_session=True,  # Ctrl-C is for who started them
            )
            for _ in range(processes)
        ]
        for process in self._processes:
            self._line(process)

    def rate(self, loop: str, seconds: float) -> float:
        """Pictures a second, all processes together.

        Args:
            loop: one of :data:`model.reports.serving.figures.LOOPS`.
        """
        begin = time.monotonic() + 0.1
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"{loop} {begin} {seconds}\n")
            process.stdin.flush()
        return sum(float(self._line(process)) for process in self._processes)

    def __enter__(self) -> Bare:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    @staticmethod
    def _line(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("a process of the bare loop ended; its message is above")
        return line


def pillow_draft(data: bytes) -> np.ndarray:
    """Decode as Pillow's documentation would have it done fast: in reduced size, then bicubic."""
    from PIL import Image

    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (448, 448))
    small = image.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(small)


def _main(folder: Path) -> None:
    import torch

    import model
    from model import images
    from model.encoder import Encoder
    from service.memory import keep_freed_memory

    keep_freed_memory()
    torch.set_num_threads(1)
    encoder = model.load(device="cpu", precision="auto").encoder
    single = model.load(device="cpu").encoder
    loops: dict[str, tuple[Callable[[bytes], np.ndarray], Encoder]] = {
        "ours": (lambda data: images.decode(data, encoder.image_size).pixels, encoder),
        "pillow": (pillow_draft, encoder),
        "single": (pillow_draft, single),
    }
    files = sorted(folder.iterdir())
    turn = itertools.cycle(files)
    for decode, network in loops.values():
        network.embed(decode(files[0].read_bytes())[None])
    print("ready", flush=True)
    for line in sys.stdin:
        name, begin, seconds = line.split()
        decode, network = loops[name]
        time.sleep(max(0.0, float(begin) - time.monotonic()))
        began = time.monotonic()
        done = 0
        while (spent := time.monotonic() - began) < float(seconds):
            network.embed(decode(next(turn).read_bytes())[None])
            done += 1
        print(done / spent, flush=True)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
