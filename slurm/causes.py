"""Why did an attempt fail? One line of cause, with what to do next, from a rank's log, its exit status and SLURM's
state of the job."""

import re
import signal
import textwrap

from common.disk import CUT_OFF

LINES = 30
"""Last lines of a log that are looked at, besides its tracebacks."""
WIDTH = 100
"""Characters of a log that are quoted in a cause."""

_GPU_MEMORY = "lower train.micro_batch, or keep fewer activations with parallel.recompute"
_MEMORY = "raise cluster.mem, or lower train.micro_batch"
_AGAIN = "the same command continues from the last checkpoint"
_NODE = "if it happens on one node only, name it in cluster.exclude"
_INSTALL = "install requirements.lock where jobs run, or load what is needed with cluster.setup"

# The first row that matches is the cause, so what explains most stands first, and what is mostly a consequence stands
# last. Searched are the tracebacks and last lines of the log, and below them the lines `SLURM state: TIMEOUT` and
# `signal: SIGKILL`. The group `what` of a pattern fills {what} in.
CAUSES: list[tuple[str, ...]] = [
    # memory
    (
        f"GPU out of memory{{what}}: {_GPU_MEMORY}",
        r"OutOfMemoryError: \w+ out of memory\. (?P<what>Tried to allocate [\d.]+ \w+)",
        (
            r"(?:CUDA|HIP) out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED|Cuda failure \S* ?'out of"
            r" memory'"
        ),
    ),
    (
        f"out of memory{{what}}: {_MEMORY}",
        r"DefaultCPUAllocator: (?:can't allocate|not enough) memory: (?P<what>you tried to allocate \d+ bytes)",
        r"MemoryError|std::bad_alloc|Cannot allocate memory",
    ),
    (
        f"out of memory, and killed by SLURM: {_MEMORY}",
        r"oom[-_ ]kill|OOM Killed|SLURM state: OUT_OF_ME|task \d+: Out Of Memory|[Ee]xceeded (?:job|step) memory limit",
    ),
    (
        f"shared memory (/dev/shm) is full: {_MEMORY}",
        r"signal: SIGBUS|unable to mmap|No space left on device: '/(?:torch_|dev/shm)",
    ),
    # files
    (
        "disk full{what}: make room (inodes count too), or set runs_dir to another disk",
        r"No space left on device: '(?P<what>[^']+)'",
        r"No space left on device",
        CUT_OFF,
    ),
    (
        "disk quota exceeded{what}: make room, or set runs_dir to another disk",
        r"Disk quota exceeded: '(?P<what>[^']+)'",
        r"Disk quota exceeded",
    ),
    ("too many open files: put `ulimit -n 65536` into cluster.setup", r"Too many open files"),
    (
        "not permitted to write{what}: choose a folder of yours",
        r"PermissionError: .{0,500}: '(?P<what>[^']+)'",
        r"Read-only file system",
    ),
    (
        f"the file system failed: {_AGAIN}; {_NODE}",
        r"Stale file handle|Input/output error|Transport endpoint is not connected",
    ),
    # the program and its surroundings
    (f"missing Python package{{what}}: {_INSTALL}", r"ModuleNotFoundError: No module named '(?P<what>[^']+)'"),
    (
        "a library does not fit the node{what}: install on a node of this cluster.partition",
        r"undefined symbol: (?P<what>\S+)",
        r"version `(?P<what>GLIBC\w*_[\d.]+)' not found",
        r"(?P<what>lib[\w.+-]+): cannot open shared object file",
        r"Illegal instruction|signal: SIGILL",
    ),
    (f"import failed{{what}}: {_INSTALL}", r"ImportError: (?P<what>.+)"),
    (
        "something would have to be downloaded, and nodes see no internet: run jobs.fetch on a login node",
        r"OfflineModeIsEnabled|LocalEntryNotFoundError|outgoing traffic has been disabled",
        r"(?:huggingface\.co|hf\.co).{0,500}(?:Max retries|resolve|Connection)",
    ),
    (
        f"the GPU failed{{what}}: {_NODE}; cluster.preflight=true finds such nodes",
        (
            r"CUDA error: (?P<what>uncorrectable ECC[\w ]*|unspecified launch failure|unknown error|.{0,500}busy or"
            r" unavailable)"
        ),
        r"(?P<what>no CUDA-capable device|No CUDA GPUs are available|fallen off the bus)",
    ),
    (
        "the GPU driver of the node is missing or too old: choose another cluster.partition",
        r"CUDA driver version is insufficient|NVIDIA driver on your system is too old|Found no NVIDIA driver",
    ),
    (
        "too many processes: raise the limit with `ulimit -u` in cluster.setup",
        r"can't start new thread|Resource temporarily unavailable",
    ),
    # data
    (
        "bad data{what}: the text is not UTF-8; the traceback in the log names the file",
        r"UnicodeDecodeError: (?P<what>.+)",
    ),
    ("bad data{what}: not valid JSON; the traceback in the log names the file", r"JSONDecodeError: (?P<what>.+)"),
    (
        "bad data{what}: a file is damaged; copy or make it again",
        r"(?P<what>(?:ArrowInvalid|SafetensorError|BadGzipFile|zlib\.error): .+)",
        r"end-of-stream marker|Parquet magic bytes",
    ),
    (
        "bad data: a token id lies outside the vocabulary; data.tokens and data.tokenizer must belong together",
        r"index out of range in self|device-side assert triggered",
    ),
    (
        "not finite: lower optim.lr, or look at the samples of the last steps",
        r"Error: .{0,500}\b(?:[Nn]a[Nn]|inf|not finite|non-finite)\b",
    ),
    # what SLURM did
    (
        f"time limit: {_AGAIN}; raise cluster.time, or cluster.signal_lead",
        r"SLURM state: (?:TIMEOUT|DEADLINE)|DUE TO TIME LIMIT",
    ),
    (
        f"the node failed{{what}}: {_AGAIN}; {_NODE}",
        r"Node failure on (?P<what>\S+)",
        r"SLURM state: (?:NODE_FAIL|BOOT_FAIL)|DUE TO NODE FAILURE",
    ),
    (f"preempted by another job: {_AGAIN}", r"SLURM state: PREEMPTED|DUE TO PREEMPTION"),
    ("requeued: SLURM starts it again", r"SLURM state: REQUEUED|DUE TO JOB REQUEUE"),
    (f"cancelled: {_AGAIN}", r"SLURM state: CANCELLED"),
    (
        (
            "SLURM could not open the log of the batch script on the node (exit 0:53): the submission's folder must be"
            " there and writable on nodes too; status.retry queues it again"
        ),
        r"signal: 53$",
    ),
    # ranks that lost each other
    (f"the port of rank 0 is taken: {_AGAIN}, with another port", r"EADDRINUSE|[Aa]ddress already in use"),
    (
        f"not all ranks came{{what}}: look for the first error in the logs of the others; {_NODE}",
        r"waiting for clients\. (?P<what>\d+/\d+ clients joined)",
    ),
    (
        f"rank 0 could not be reached: look at its log; {_NODE}",
        r"client socket has timed out|DistNetworkError|gai error",
    ),
    (
        f"another rank hung: look at the logs of the others; {_NODE}; cluster.preflight=true finds slow nodes",
        (
            r"gloo.{0,500}Timed out|Timed out waiting \d+ms|[Ww]atchdog caught collective operation timeout|Socket"
            r" Timeout|wait timeout after"
        ),
    ),
    (
        f"lost another rank{{what}}: the log of the rank that died first says why; {_NODE}",
        r"(?P<what>Connection (?:reset|closed) by peer|Connection refused|Broken pipe)",
        r"ncclRemoteError|NCCL communicator was aborted",
    ),
    (
        f"NCCL failed{{what}}: set NCCL_DEBUG=INFO in cluster.environment; {_NODE}",
        r"NCCL error.{0,500}, (?P<what>(?:unhandled|internal|invalid) [\w ]+)",
        r"DistBackendError|ncclSystemError|ncclUnhandledCudaError|ncclInternalError",
    ),
    # signals about which the log says nothing
    (f"killed (SIGKILL) without a word, mostly for lack of memory: {_MEMORY}", r"signal: SIGKILL"),
    (f"ended by SIGTERM before it could save: {_AGAIN}", r"signal: SIGTERM"),
]
_ROWS = [(re.compile(pattern), sentence) for sentence, *patterns in CAUSES for pattern in patterns]

_PREFIX = re.compile(r"^\[rank\d+\]: ?", re.MULTILINE)  # torch puts it before every line of a traceback
_OURS = re.compile(r"^error: (.+)", re.MULTILINE)
_HEADER = "Traceback (most recent call last):"


def cause(log: str, code: int | None, slurm_state: str = "") -> str:
    """One line that says why an attempt failed, and what to do next.

    ``log``: the end of a rank's log. ``code``: exit status of the rank, None where it is not known; 128 + n and -n are
    signal n. ``slurm_state``: state of the job as squeue or sacct names it, such as `TIMEOUT` or `CANCELLED by 1000`.
    """
    log = _PREFIX.sub("", log)
    ours = _OURS.findall(log)
    if ours:
        return ours[-1].strip()
    name = _signal(code)
    text = "\n".join([_telling(log), f"SLURM state: {slurm_state}", f"signal: {name or _number(code)}"])
    for pattern, sentence in _ROWS:
        if found := pattern.search(text):
            what = found.groupdict().get("what")
            return sentence.format(what=f" ({textwrap.shorten(what, WIDTH)})" if what else "")
    return _last_words(log, name, code)


def _telling(log: str) -> str:
    """The part of a log that a cause is looked for in: from its first traceback on, and never less than its last
    lines."""
    lines = log.splitlines()
    first = next((number for number, line in enumerate(lines) if line.startswith(_HEADER)), len(lines))
    return "\n".join(lines[min(first, max(0, len(lines) - LINES)) :])


def _last_words(log: str, name: str, code: int | None) -> str:
    """The exception of the last traceback; where there is none, how the process ended and the last line of its log."""
    _, header, trace = log.rpartition(_HEADER)
    lines = [line for line in trace.splitlines() if line.strip()]
    exception = next((line for line in lines if not line[0].isspace()), None)
    if header and exception:
        return f"{exception}; the traceback is in the log"
    ended = (
        f"ended by {name}"
        if name
        else "ended without an exit status"
        if code is None
        else f"ended with exit status {code}"
    )
    return f"{ended}; last line of the log: {lines[-1].strip()}" if lines else f"{ended}, and the log is empty"


def _signal(code: int | None) -> str:
    """Name of the signal that ended a process; empty where none did."""
    try:
        return signal.Signals(_number(code)).name
    except ValueError:
        return ""


def _number(code: int | None) -> int:
    """Number of the signal behind an exit status; none where it is not positive."""
    return -code if code is not None and code < 0 else (code or 0) - 128
