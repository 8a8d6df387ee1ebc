#!/usr/bin/env python3
"""How long whole commands take on a large archive: from the start of the process to its first byte and to its end.

    ARCHIVER_BENCH_KEEP=million/archive.db cargo bench -p archiver-bench --bench search -- --list
    cargo build --release
    python3 contrib/commands.py million [PROGRAM] [--rounds N] [--only WORD]

The first command makes an archive of 1,000,000 messages and names its commonest and a rare word, which stand below.
PROGRAM is target/release/archiver unless another one is named. Each command runs N times (15; the slow ones 3 times)
with the archive in the system's cache; the least and the middle are printed, in milliseconds, and its peak of memory.
"""
import argparse
import os
import pathlib
import pty
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

COMMON, SECOND, RARE = "fsmdeucd", "qazvm", "pykds"


def run(program, arguments, folder, terminal):
    """One run: seconds until the first byte of standard output and until the end, and its peak of memory in KiB."""
    environment = {"PATH": os.environ["PATH"], "TZ": "UTC", "PAGER": "cat", "TERM": "xterm"}
    began = time.perf_counter()
    if terminal:
        read, write = pty.openpty()
    else:
        read, write = os.pipe()
    child = subprocess.Popen(
        [program, *arguments], cwd=folder, env=environment, stdout=write, stderr=subprocess.DEVNULL
    )
    os.close(write)
    first, size = None, 0
    while True:
        try:
            part = os.read(read, 1 << 16)
        except OSError:  # what Linux says when a terminal's last writer has gone
            break
        if not part:
            break
        size += len(part)
        first = first or time.perf_counter() - began
    os.close(read)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):
        sys.exit(f"{arguments}: exit code {child.returncode}")
    whole = time.perf_counter() - began
    return first or whole, whole, usage.ru_maxrss


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=pathlib.Path)
    options.add_argument("program", nargs="?", default="target/release/archiver")
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--only", default="", help="commands that have this word")
    options = options.parse_args()
    program = os.path.abspath(options.program)
    folder = options.folder.resolve()
    (folder / "archiver.toml").write_text('[archive]\npath = "archive.db"\n')
    scratch = pathlib.Path(tempfile.mkdtemp(dir=folder))
    quick = [
        ["--version"],
        ["search", COMMON],
        ["search", RARE],
        ["search", "qqqqqqqqqqqqqq"],
        ["search", f'"{COMMON} {SECOND}"'],
        ["search", f"{COMMON} {SECOND}"],
        ["search", "世界和平"],
        ["search", "世"],
        ["search", "a*"],
        ["search", "fs*"],
        ["search", COMMON, "--in", "Ada Example 77"],
        ["search", COMMON, "--from", "Example 7"],
        ["search", COMMON, "--best"],
        ["search", f"{COMMON} {SECOND}", "--best"],
        ["search", "a*", "--best"],
        ["search", COMMON, "-C", "2"],
        ["search", COMMON, "--count"],
        ["show", "Ada Example 77"],
        ["show", "Ada Example 77", "--limit", "20"],
        ["status"],
        ["status", "--json"],
        ["people"],
        ["stats"],
        ["plan"],
        ["sql", "SELECT sent_at, sender, text FROM message_log ORDER BY sent_at_ms DESC LIMIT 10"],
    ]
    slow = [["verify", "--quick"], ["verify"], ["backup", str(scratch / "copy.db")]]
    slow += [
        ["export", "--format", form, "--out", str(scratch / form)]
        for form in ("jsonl", "csv", "parquet", "html", "markdown")
    ]
    print(f"{'first':>8} {'least':>8} {'middle':>8} {'KiB':>8}  command")
    try:
        for rounds, commands in ((options.rounds, quick), (min(3, options.rounds), slow)):
            for arguments in commands:
                words = " ".join(arguments).replace(str(scratch) + "/", "")
                if options.only not in words:
                    continue
                terminals = (False, True) if arguments[0] in ("show", "status") and "--json" not in arguments else (False,)
                for terminal in terminals:
                    runs = [run(program, arguments, folder, terminal) for _ in range(rounds)]
                    first, least = min(r[0] for r in runs), min(r[1] for r in runs)
                    middle, peak = statistics.median(r[1] for r in runs), max(r[2] for r in runs)
                    where = "  (terminal)" if terminal else ""
                    figures = f"{first * 1000:8.1f} {least * 1000:8.1f} {middle * 1000:8.1f} {peak:8}"
                    print(f"{figures}  {words}{where}", flush=True)
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
