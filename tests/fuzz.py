"""Random driving of every public kernel and estimator, of files and of the command line.

    python tests/fuzz.py kernels|models|files|bytes|cli [--seconds S] [--count N] [--start CASE]

A case is made from its number alone. What is found is printed with it, and `--start CASE --count
1` repeats it. A finding is a crash, a case without an end, an exception of a kind that is not
documented or without a message, NaN out of finite input, input that was changed, other bits with
other threads or another layout of the same numbers, and digits that the plain NumPy version of a
kernel does not give. Files and bytes are read with little memory. The last line counts cases and
findings; exit status 1 where there is one, or no case was done.

A minute of kernels and of the other modes is in the gate. Before a release: an hour, from another
CASE than last time.
"""

import argparse
import collections
import faulthandler
import importlib
import mmap
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

MODES = {"kernels": "fuzz_kernels", "models": "fuzz_models", "files": "fuzz_files",
         "bytes": "fuzz_bytes", "cli": "fuzz_cli"}
MOST_MEMORY = 3 << 30       # bytes, where files are read
ENDLESS = 120               # seconds for one case


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--count", type=int, default=10**12)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--trail", help=argparse.SUPPRESS)      # a child of this script
    return parser.parse_args()


class Trail:
    """The number of the case at work and what was counted, seen by who started this process."""

    def __init__(self, path):
        with open(path, "r+b") as file:
            self.room = mmap.mmap(file.fileno(), 64)

    def write(self, case, findings):
        self.room[:32] = f"{case:15d} {findings:15d} ".encode()

    def read(self):
        return tuple(int(part) for part in self.room[:32].split())


def drive(mode, start, count, seconds, trail):
    """Run cases in this process; what they came to, and the findings by kind."""
    from fuzz_cases import COUNTS, Finding
    case = importlib.import_module(MODES[mode]).case
    if mode in ("files", "bytes"):
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    # no watchdog of faulthandler: its thread, new for each case, may meet tracemalloc.stop() in
    # the one moment in which CPython before 3.12.9 and 3.13.2 does not bear that
    faulthandler.register(signal.SIGALRM, chain=True)
    end, number, kinds = None, start, collections.Counter()
    while number < start + count and (end is None or time.monotonic() < end):
        trail.write(number, sum(kinds.values()))
        signal.alarm(ENDLESS)
        try:
            case(number)
        except Finding as finding:
            kind = f"{finding}"
        except Exception as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__}: {error} ({Path(at.filename).name}:{at.lineno})"
        else:
            kind = None
        if kind is not None:
            kinds[kind[:100]] += 1
            if kinds[kind[:100]] == 1:
                print(f"case {number}: {kind:.400}", flush=True)
        number += 1
        trail.write(number, sum(kinds.values()))
        if end is None:     # the first case fits the models that the others change
            end = time.monotonic() + seconds
    signal.alarm(0)
    for what, times in sorted(COUNTS.items()):
        print(f"{times:9d}  {what}")
    for kind, times in kinds.most_common():
        print(f"{times:9d}  FINDING {kind}")
    sys.stdout.flush()


def supervise(mode, start, count, seconds):
    """Run the cases in children, a new one after a crash; the number of cases and findings."""
    begun, number, found = time.monotonic(), start, 0
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(64))
        file.flush()
        trail = Trail(file.name)
        while True:
            left = seconds - (time.monotonic() - begun)
            if left <= 0 or number >= start + count:
                break
            trail.write(number, 0)
            status = subprocess.call([
                sys.executable, "-X", "faulthandler", __file__, mode, "--seconds", str(left),
                "--start", str(number), "--count", str(start + count - number),
                "--trail", file.name])
            reached, findings = trail.read()
            found += findings
            if status == 0:
                number = reached
                break
            how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
            print(f"case {reached}: the process ended with {how}", flush=True)
            found += 1
            number = reached + 1
    return number - start, found


def main():
    args = arguments()
    if args.trail:
        drive(args.mode, args.start, args.count, args.seconds, Trail(args.trail))
        return 0
    print(f"fuzz: {args.mode} from case {args.start}", flush=True)
    n_cases, n_findings = supervise(args.mode, args.start, args.count, args.seconds)
    print(f"fuzz: {args.mode}, cases {args.start} to {args.start + n_cases - 1}: {n_cases} cases, "
          f"{n_findings} finding(s)")
    return int(n_findings > 0 or n_cases == 0)


if __name__ == "__main__":
    sys.exit(main())
