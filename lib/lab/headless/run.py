"""Runs notebooks from top to bottom, each in a fresh kernel, and writes them with their outputs.

A cell that fails ends its notebook: what came until then is written, the traceback is printed and the exit status is 1.
Parameters are environment variables, which cells read from `process.env`. Ctrl-C interrupts the cell that runs, as the stop
button of JupyterLab does; a second one ends the kernel.
"""

import argparse
import asyncio
import os
import pathlib
import queue
import re
import signal
import sys
import time

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

ROOT = pathlib.Path(__file__).resolve().parents[3]
ANSI = re.compile(r"\x1b\[[0-9;]*m")
INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C has ended


class Progress:
    """Prints what happens, line by line: cells as they start, what they print, displays that change."""

    def __init__(self, name: str, cells: int, every_seconds: float):
        self.name = name
        self.cells = cells
        self.every_seconds = every_seconds
        self.line = ""
        self.shown_at = 0.0
        self.withheld = ""

    def say(self, text: str) -> None:
        print(text if sys.stdout.isatty() else ANSI.sub("", text), flush=True)

    def start_cell(self, number: int, source: str) -> None:
        lines = (line.strip() for line in source.splitlines())
        first = next((line for line in lines if line and not line.startswith(("//", "import "))), source.strip())
        self.say(f"[{self.name} {number}/{self.cells}] {first[:100]}")
        self.shown_at = time.monotonic()

    def end_cell(self, seconds: float) -> None:
        """Shows what is left: a line without its end, the last state of a display."""
        for text in (self.line, self.withheld):
            if text:
                self.say(f"    {text}")
        self.line = self.withheld = ""
        if seconds >= 1:
            self.say(f"    {seconds:.1f} s")

    def stream(self, text: str) -> None:
        *whole, self.line = (self.line + text).split("\n")
        for line in whole:
            self.say(f"    {line}")

    def display(self, text: str) -> None:
        """Shows the first line of a display, but not every state of one that changes often."""
        first = text.strip().split("\n")[0]
        if time.monotonic() - self.shown_at < self.every_seconds:
            self.withheld = first
            return
        self.shown_at = time.monotonic()
        self.withheld = ""
        self.say(f"    {first}")


class Client(NotebookClient):
    """nbclient's client, which also tells of outputs while they come."""

    def __init__(self, notebook, progress: Progress, **options):
        super().__init__(notebook, **options)
        self.progress = progress
        self.interrupts = 0
        self.running = None

    def process_message(self, msg, cell, cell_index):
        content = msg["content"]
        if msg["msg_type"] == "stream":
            self.progress.stream(content["text"])
        elif msg["msg_type"] in ("display_data", "update_display_data"):
            self.progress.display(content["data"].get("text/plain", ""))
        return super().process_message(msg, cell, cell_index)

    async def run(self) -> None:
        """Executes all cells, then asks whether anything has failed that no cell was told of."""
        self.reset_execution_trackers()
        async with self.async_setup_kernel():
            self.listen_to_signals()
            info = await self.answer_to(self.kc.kernel_info())
            self.nb.metadata["language_info"] = info["content"]["language_info"]
            # The kernel compiles only some seconds after it has answered first; they count for no cell.
            await self.answer_to(self.kc.is_complete(""))
            for index, cell in enumerate(self.nb.cells):
                if cell.cell_type == "code" and cell.source.strip():
                    await self.run_cell(index, cell)
            reply = await self.answer_to(self.kc.execute("", silent=True, store_history=False))
            content = reply["content"]
            if content["status"] == "error":
                raise CellExecutionError("\n".join(content["traceback"]), content["ename"], content["evalue"])

    async def answer_to(self, request: str):
        """The kernel's reply to the request with this id."""
        try:
            while True:
                reply = await self.kc.get_shell_msg(timeout=self.startup_timeout)
                if reply["parent_header"].get("msg_id") == request:
                    return reply
        except queue.Empty:
            raise DeadKernelError(f"The kernel did not answer in {self.startup_timeout} s") from None

    async def run_cell(self, index: int, cell) -> None:
        start = time.monotonic()
        self.progress.start_cell(index + 1, cell.source)
        self.running = cell
        try:
            await self.async_execute_cell(cell, index)
        finally:
            self.progress.end_cell(time.monotonic() - start)

    def listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        if sys.platform != "win32":
            for name in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(name, lambda: asyncio.ensure_future(self.stop()))

    async def stop(self) -> None:
        self.interrupts += 1
        if self.interrupts == 1:
            self.progress.say("Interrupting. Press Ctrl-C again to end the kernel.")
            await self.km.interrupt_kernel()
        else:
            await self.km.shutdown_kernel(now=True)


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def write(notebook, target: pathlib.Path) -> None:
    """Writes the whole notebook or leaves the old one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        nbformat.write(notebook, partial)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def traceback_of(notebook, error: CellExecutionError) -> str:
    """What the kernel says of the failed cell; nbclient repeats the whole cell before it."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    shown = ["\n".join(output.traceback) for output in outputs if output.output_type == "error"]
    return shown[-1] if shown else error.traceback


def run(path: pathlib.Path, target: pathlib.Path, options: argparse.Namespace) -> int:
    """Runs one notebook; returns the exit status that it asks for."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    progress = Progress(path.stem, len(notebook.cells), options.every)
    client = Client(
        notebook,
        progress,
        timeout=options.timeout or None,
        kernel_name=options.kernel,
        interrupt_on_timeout=False,
        record_timing=False,
        resources={"metadata": {"path": str(path.resolve().parent)}},
    )
    start = time.monotonic()
    problem = None
    try:
        asyncio.run(client.run())
    except NoSuchKernel:
        progress.say(f"There is no kernel named {options.kernel}. Set it up: npm run setup")
        return 1
    except CellExecutionError as error:
        problem = traceback_of(notebook, error)
    except (CellTimeoutError, DeadKernelError) as error:
        name, text = type(error).__name__, first_line(error)
        problem = f"{name}: {text}"
        if client.running is not None:
            shown = nbformat.v4.new_output("error", ename=name, evalue=text, traceback=[problem])
            client.running.outputs.append(shown)
    write(notebook, target)
    state = "FAILED" if problem else "done"
    progress.say(f"[{path.stem}] {state} in {time.monotonic() - start:.1f} s: {os.path.relpath(target)}")
    if problem:
        progress.say(problem)
    return INTERRUPTED if client.interrupts else 1 if problem else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="+", type=pathlib.Path, metavar="NOTEBOOK")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--in-place", action="store_true", help="write outputs into the notebooks themselves")
    place.add_argument("--out", type=pathlib.Path, default=ROOT / "results/notebooks", help="folder to write to (%(default)s)")
    parser.add_argument("--timeout", type=int, default=0, help="seconds that one cell may take; 0, the default, for no limit")
    parser.add_argument("--every", type=float, default=5, help="seconds between lines of a display that changes (%(default)s)")
    parser.add_argument("--kernel", default="lory", help="name of the kernel (%(default)s)")
    options = parser.parse_args()
    missing = [str(path) for path in options.notebooks if not path.is_file()]
    if missing:
        parser.error(f"no such notebook: {', '.join(missing)}")

    # The kernel then also fails a run whose promises are rejected with nobody to handle them.
    os.environ["LORY_HEADLESS"] = "1"
    worst = 0
    for path in options.notebooks:
        worst = max(worst, run(path, path if options.in_place else options.out / path.name, options))
        if worst == INTERRUPTED:
            break
    return worst


if __name__ == "__main__":
    sys.exit(main())
