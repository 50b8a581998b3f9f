"""Malformed files and command lines: exit status 2, one line, nothing written, nothing run, two seconds at most.

`corpus/<kind>/` holds small files named by what is wrong with them; what is too large or no file is made here. An audit
hook watches every reader: what Python opens for writing, starts, unpickles or connects to while it reads.
"""

import gzip
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from vqe_prune.__main__ import main
from vqe_prune.errors import LONGEST_MESSAGE
from vqe_prune.report.__main__ import main as report

CORPUS = Path(__file__).parent / "corpus"
SECONDS = 2.0
WAITED = 30
"""Seconds of the processor in which a reader must end, and of the clock after which it is taken to wait for ever."""

SPIN = ["model=tfim", "model.n=4"]
COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "molecule": lambda name: [f"molecule={name}"],
    "xyz": lambda name: [f"molecule={name}"],
    "fcidump": lambda name: [f"molecule={name}"],
    "gates": lambda name: [*SPIN, f"ansatz={name}"],
    "lattice": lambda name: ["model=tfim", f"model.lattice={name}"],
    "sum": lambda name: [f"model={name}"],
    "record": lambda name: ["show", name],
    "scan": lambda name: ["show", name],
    "multirun": lambda name: ["show", name],
    "trace": lambda name: ["collect", "."],
    "clicks": lambda name: ["task=ctr", "task.dataset=eleme", f"task.data_dir={name}"],
    "visits": lambda name: ["task=ctr", "task.dataset=foursquare", f"task.data_dir={name}"],
    "idx": lambda name: ["task=classify", "task.dataset=mnist", "task.data_dir=."],
}
"""By the kind of file, the command that reads it."""

NAMES = {"trace": "trace.jsonl", "multirun": "multirun.json", "scan": "scan.json", "idx": "x-images-idx3-ubyte"}
SUFFIXES = {"xyz": "xyz", "fcidump": "FCIDUMP", "sum": "txt", "record": "json", "clicks": "csv", "visits": "txt"}
FIXED = {kind: NAMES.get(kind, f"x.{SUFFIXES.get(kind, 'yaml')}") for kind in COMMANDS}

STARTED = (
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.spawn",
    "pickle.find_class", "socket.connect", "socket.getaddrinfo", "webbrowser.open", "ctypes.dlopen", "code.__new__",
)  # fmt: skip
"""Audit events that no reading of a file needs."""

CHANGED = ("os.rename", "os.remove", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate")
_watched: list[Path] = []
_seen: list[str] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Note what must not happen while `_watched` names the only folder that may be written to."""
    if not _watched:
        return
    if event in STARTED or (event == "import" and arguments[0] == "antigravity"):
        _seen.append(f"{event} {arguments!r:.200}")
    elif event == "compile" and b"touch" in (arguments[0] if isinstance(arguments[0], bytes) else b""):
        _seen.append(f"{event} {arguments!r:.200}")
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        _note(event, arguments[0])
    elif event in CHANGED:
        _note(event, arguments[0])


def _note(event: str, path: object) -> None:
    if isinstance(path, str | bytes | os.PathLike):
        place = Path(os.path.abspath(os.fsdecode(path)))
        tried = str(place).startswith(("/dev/null", "/proc/"))  # output_dir of some of the command lines
        scratch = Path(tempfile.gettempdir())  # of PySCF: files without a name, or of a name that nobody else knows
        tried |= place == scratch or (place.parent == scratch and place.name.startswith("tmp"))
        if not place.is_relative_to(_watched[0]) and not tried:
            _seen.append(f"{event} {place}")


sys.addaudithook(_audit)


@contextmanager
def watched(folder: Path, seconds: float = SECONDS) -> Iterator[None]:
    """Fail where anything is started or written outside a folder, or where it takes too long."""

    def late(number: int, frame: object) -> None:
        raise TimeoutError("too long on the processor" if number == signal.SIGPROF else "waits for ever")

    _seen.clear()
    before = signal.signal(signal.SIGPROF, late), signal.signal(signal.SIGALRM, late)
    _watched.append(folder)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(WAITED)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        _watched.clear()
        signal.signal(signal.SIGPROF, before[0])
        signal.signal(signal.SIGALRM, before[1])
    assert _seen == []


def tree(folder: Path) -> dict[str, Any]:
    """All that lies below a folder, with the size and the time of each file."""
    found = {}
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            status = os.lstat(os.path.join(root, name))
            found[os.path.join(root, name)] = (
                status.st_mode,
                status.st_size if name in files else 0,
                status.st_mtime_ns,
            )
            if name in folders:  # the time of a folder in which a file was tried is another one
                found[os.path.join(root, name)] = (status.st_mode, 0, 0)
    return found


def is_one_line(text: str) -> bool:
    """Whether a message is one line that can be printed and read."""
    return (
        text.startswith("vqe_prune: ")
        and text.endswith("\n")
        and text[:-1].isprintable()
        and len(text) < LONGEST_MESSAGE + 50
        and "Traceback" not in text
    )


def refused(
    arguments: Sequence[str], folder: Path, capsys: pytest.CaptureFixture, run: Callable[[Sequence[str]], int] = main
) -> str:
    """Run a command in a folder, check that it is refused as it should be, and return what it said."""
    before = tree(folder)
    capsys.readouterr()
    with watched(folder):
        status = run(arguments)
    said = capsys.readouterr().err
    assert status == 2, said
    assert is_one_line(said), said
    assert tree(folder) == before
    return said


FIRST = (
    "molecule/atoms-coincide.yaml", "fcidump/nelec-full.FCIDUMP", "gates/no-parameter.yaml", "lattice/lonely-site.yaml",
    "sum/nan.txt", "record/empty.json", "idx/fewer-than-labels", "clicks/columns-missing.csv", "visits/one-visit.txt",
)  # fmt: skip
"""Files that are refused late."""


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Import what the readers import: it is the reading that is watched and timed."""
    import openfermion  # noqa: F401
    import pyscf.fci  # noqa: F401

    import vqe_prune.report.merge_page
    import vqe_prune.scan
    import vqe_prune.study
    import vqe_prune.tasks.ctr
    import vqe_prune.tasks.study  # noqa: F401

    folder = tmp_path_factory.mktemp("warm")
    for name in FIRST:
        kind, _, file = name.partition("/")
        shutil.copy(CORPUS / name, folder / NAMES.get(kind, file))
    (folder / "x-labels-idx1-ubyte").write_bytes(idx((4,), bytes([0, 1, 4, 9])))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in FIRST:
            kind, _, file = name.partition("/")
            assert main(COMMANDS[kind](NAMES.get(kind, file))) == 2, name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a command is run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/secret-home")
    return tmp_path


FILES = sorted(str(path.relative_to(CORPUS)) for path in CORPUS.glob("*/*"))


def test_the_corpus_is_whole() -> None:
    assert len(FILES) + len(LARGE) * len(COMMANDS) + len(LINES) >= 500
    assert {name.partition("/")[0] for name in FILES} == set(COMMANDS) - {"scan"}


@pytest.mark.parametrize("name", FILES)
def test_a_malformed_file_is_refused(name: str, folder: Path, capsys: pytest.CaptureFixture) -> None:
    kind, _, file = name.partition("/")
    file = NAMES.get(kind, file)
    shutil.copy(CORPUS / name, file)
    if kind == "idx":
        Path("x-labels-idx1-ubyte").write_bytes(idx((4,), bytes([0, 1, 4, 9])))
    said = refused(COMMANDS[kind](file), folder, capsys)
    assert "secret-home" not in said and "root:" not in said


def idx(shape: Sequence[int], content: bytes) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + content


LARGE: dict[str, bytes | int | str] = {
    "a folder": "folder",
    "a pipe": "pipe",
    "/dev/zero": "/dev/zero",
    "/dev/urandom": "/dev/urandom",
    "a link to nowhere": "nowhere",
    "a link to itself": "itself",
    "nothing": "",
    "100 MB of nothing": 100 << 20,
    "1 TB of nothing": 1 << 40,
    "a gzip bomb": gzip.compress(bytes(10 << 20), mtime=0),
    "a million digits": b"9" * 1_000_000,
    "a number of base 60": b"charge: 1" + b":1" * 100_000,
    "brackets": b"[" * 20_000,
    "braces": b'{"a":' * 40_000,
    "many gates": b"- h 0\n" * 50_000,
    "quotes": b'"' * 200_000,
    "spaces": b" " * 200_000 + b"x",
}
"""Content, size of a file without content, or what stands in place of the file."""


@pytest.mark.parametrize("kind", COMMANDS)
@pytest.mark.parametrize("what", LARGE)
def test_what_is_too_large_or_no_file_is_refused(
    what: str, kind: str, folder: Path, capsys: pytest.CaptureFixture
) -> None:
    path, content = Path(FIXED[kind]), LARGE[what]
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, int):
        with path.open("wb") as file:
            file.truncate(content)
    elif content == "folder":
        path.mkdir()
    elif content == "pipe":
        os.mkfifo(path)
    elif content:
        path.symlink_to(path.name if content == "itself" else content)
    refused(COMMANDS[kind](path.name), folder, capsys)


ENDLESS = "9" * 5000
LONG = "a" * 100_000
LINES = [
    ["molecule"], [""], ["="], ["=LiH"], ["molecule =LiH"], [" seed=1"], ["molecule=LiH", "molecule=H2"],
    ["molecule= LiH"], [f"molecule={LONG}"], [f"molecule={'a' * 5000}.yaml"], [f"molecule={'a/' * 5000}x.xyz"],
    [f"{LONG}=1"], [f"seed={LONG}"], [f"output_dir={LONG}"], [f"output_dir={'a' * 300}"], [f"molecule.basis={LONG}"],
    [f"model={'a' * 300}.txt"], ["molecule=a\0b.yaml"], ["molecule=\x1b[31m"], ["molecule=a\nb.xyz"],
    ["output_dir=a\nb"], ["output_dir=a\0b"], ["\0"], ["output_dir=\udcff"], ["molecule=\udcff.yaml"], ["\udcff=1"],
    ["seed=\u202e1"], ["show", "\0"], ["list", "\x1b[2J"], ["seed=1e400"], ["seed=nan"], ["seed=-inf"], ["seed=1.0"],
    [f"seed={ENDLESS}"], ["seed=99999999999999999999"], ["seed="], ["seed=0x10"], ["seed=\u0663"], ["seed=true"],
    ["seed=[1]"], ["seed={a:1}"], ["seed=null"], ["pruner.tolerance=1e400"], ["pruner.tolerance=-1e400"],
    ["pruner.tolerance=inf"], ["pruner.tolerance=1e-400"], ["pruner.tolerance=[1e-3]"], ["pruner.tolerance=\u22121"],
    [f"pruner.tolerance={ENDLESS}"], ["pruner.parameters=-0.5"], [f"pruner.parameters={'9' * 30}"],
    [f"optimizer.max_steps={'9' * 400}"], ["optimizer.gradient_tolerance=nan"], ["molecule.bond_length=nan"],
    ["molecule.bond_length=1e400"], ["molecule.bond_length=0"], ["molecule.bond_length=1e300"],
    ["molecule.charge=1e400"], [f"molecule.charge={'9' * 400}"], ["molecule.spin=-99999999999999999"],
    ["molecule.spin=1"], ["molecule.active_space=[1e400,2]"], ["molecule.active_space=[-1,-1]"],
    ["molecule.active_space=[nan,nan]"], [f"molecule.active_space={'[' * 400}{']' * 400}"],
    [f"molecule.active_space=[{'1,' * 10_000}1]"], ["molecule.active_orbitals=[0]"],
    [f"molecule.active_orbitals=[{'1,' * 500}1]"], ["molecule.ecp=nothing"], ["molecule.basis=/etc/passwd"],
    ["molecule.basis=../../x"], ["molecule.basis={Li:{a:b}}"], ["molecule.basis={H:[1]}"], ["seed=${oc.env:HOME}"],
    ["output_dir=${oc.env:HOME}"], ["molecule=${oc.env:HOME}"], ["model=${now:%Y}.txt"],
    ["molecule.basis={H:${oc.env:HOME}}"], [*SPIN, "model.reference=${oc.env:HOME}"], ["molecule.name=${seed}"],
    ["molecule._target_=os.system"], ["_target_=os.system"], ["hydra.run.dir=x"], ["hydra/launcher=submitit_slurm"],
    ["--config-dir=."], ["--cfg", "job"], ["--hydra-help"], ["-"], ["--"], ["-cd", "."], ["seed:=1"], ["seed[0]=1"],
    ["~seed"], ["~molecule=LiH"], ["++seed=1"], ["+seed=1"], ["+new=1"], ["seed@x=1"], ["molecule@_global_=LiH"],
    ["molecule.__class__=1"], ["molecule.__dict__={a:b}"], ["__import__('os')=1"], ["a.b..c=1"], ["molecule.=1"],
    ["molecule.source=/etc/passwd"], ["molecule.fcidump=/etc/passwd"], ["file_contents={a:b}"], ["molecule.name=''"],
    ["molecule.geometry=/etc/passwd"], ["molecule.geometry='H 0 0 nan'"], ["molecule.geometry=[1]"],
    ["molecule.name='a\u2028b'"], [f"molecule.name={'n' * 100}"], ["output_dir="], ["output_dir=[a]"],
    ["output_dir=/dev/null"], ["output_dir=/dev/null/x"], ["output_dir=/proc/x"], ["output_dir=file"],
    ["output_dir=file/x"], ["output_dir=loop"], ["output=loud"], ["threads=0"], ["threads=99999999999"],
    ["threads=nan"], ["engine=tpu"], ["model=tfim", "model.n=0"], ["model=tfim", "model.n=1000000000"],
    ["model=tfim", f"model.n={'9' * 400}"], ["model=tfim", "model.n=25"], ["model=tfim", "model.h=nan"],
    ["model=tfim", "model.h=1e400"], ["model=tfim", "model.j=-inf"],
    ["model=tfim", "model.lattice=square", "model.shape=[0,0]"], ["model=tfim", "model.lattice=square"],
    ["model=tfim", "model.lattice=square", "model.shape=[9999999999,9999999999]"],
    ["model=tfim", "model.reference=01"], ["model=tfim", f"model.reference={'0' * 5000}"],
    ["model=fermi_hubbard", "model.electrons=[9,9]"], ["model=fermi_hubbard", "model.u=nan"],
    ["model=tfim", "ansatz.layers=99999999999"], ["model=tfim", "ansatz.layers=5001"], ["study=scan"],
    ["study=scan", "scan.bond_length=[1,2,0]"], ["study=scan", "scan.bond_length=[nan,2,0.1]"],
    ["study=scan", "scan.bond_length=[1,1e400,0.1]"], ["study=scan", "scan.bond_length=[1,2,1e-300]"],
    ["study=scan", "scan.bond_length=[1,1e9,0.1]"], ["device=willow_pink", "device.shots=1e400"], ["device=nothing"],
    ["device=willow_pink", "device.seconds=nan"], ["excited=-1"], ["excited=99999999999"], ["nuclei=explode"],
    ["task=classify", "task.classes=[1,99999999999]"], ["task=classify", "task.samples=[1e400,1,1]"], ["task=nothing"],
    ["task=classify", "task.scale=nan"], ["task=classify", "task.dataset=mnist", "task.data_dir=/dev/null"],
    ["task=ctr", "task.dataset=eleme", "task.data_dir=nowhere"], ["task=ctr", "task.dataset=eleme", "task.data_dir=."],
    ["list", "nothing"], ["list", LONG], ["show"], ["show", ""], ["show", "nowhere"], ["show", "/dev/zero"],
    ["show", "."], ["show", "\udcff"], ["compare", "."], ["compare", ".", "."], ["completion"],
    ["completion", "cmd.exe"], ["report"], ["collect"], ["collect", ""], ["collect", LONG], ["collect", "/dev/null"],
    ["collect", "/"], ["shwo", "x"], ["-m", "seed=range(0)"], ["-m", "seed=range(1e400)"],
    ["-m", "seed=range(1000000000)"], ["-m", "seed=range(1,2,0)"], ["-m", "seed=glob(*)"],
    ["-m", "molecule=glob(../../*)"], ["-m", "seed=interval(0,1)"], ["-m", f"seed={'range(' * 200}"],
    ["-m", "seed=1,2", "seed=3"], ["-m", "launcher=nothing"], ["-m", "sweeper.trials=0"], ["-m", "seed=${x},1"],
    ["-m", "hydra.sweep.dir=x"], ["-m", "pruner.tolerance=range(0,1,1e-9)"], ["-m", "seed=shuffle(range(99999999))"],
    ["-m", "seed=tag(a,b)"], ["-m", "seed=sort(1,x)"], ["-m", "molecule=LiH,\0"], ["-m", LONG],
    ["-m", "seed=0,1", "output_dir=file"],
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_malformed_command_line_is_refused(number: int, folder: Path, capsys: pytest.CaptureFixture) -> None:
    Path("file").write_text("precious")
    Path("loop").symlink_to("loop")
    said = refused(LINES[number], folder, capsys)
    assert "secret-home" not in said


@pytest.mark.parametrize(
    "arguments", [[], ["nowhere"], ["\0"], ["."], ["--x"], [".", "output_dir="], [".", "output_dir=file"]]
)
def test_a_malformed_call_of_the_report_is_refused(
    arguments: list[str], folder: Path, capsys: pytest.CaptureFixture
) -> None:
    Path("file").write_text("precious")
    refused(arguments, folder, capsys, report)


OWN_FILES, OWN_FOLDERS = ("trace.jsonl", "run.log", ".lock", "record.json"), ("device", "device/0000", "seed-0")
LINKS = [(name, target) for name in OWN_FILES + OWN_FOLDERS for target in ("../victim", "../nowhere")]


@pytest.mark.parametrize(("name", "target"), [*LINKS, *((name, "pipe") for name in OWN_FILES)])
def test_no_link_leads_out_of_a_run_folder(name: str, target: str, folder: Path, capsys: pytest.CaptureFixture) -> None:
    """A run folder from a stranger: what a run appends to is a link to a file of the user's."""
    place, victim = folder / "run" / name, folder / "victim"
    place.parent.mkdir(parents=True)
    victim.write_text("precious")
    os.mkfifo(place) if target == "pipe" else place.symlink_to(os.path.relpath(folder / target[3:], place.parent))
    for arguments in (["molecule=H2"], ["task=generate"], ["-m", "molecule=H2", "seed=0,1"])[: 1 if "/" in name else 2]:
        said = refused([*arguments, "output_dir=run"], folder, capsys)
        assert name in said
    assert victim.read_text() == "precious" and not (folder / "nowhere").exists()


@pytest.mark.parametrize("name", ["array", "control-characters", "deep-lists", "latin-1", "nan", "nul", "truncated"])
@pytest.mark.parametrize("study", ["molecule=H2", "task=generate", "study=scan"])
def test_a_run_folder_with_a_malformed_record_is_refused(
    study: str, name: str, folder: Path, capsys: pytest.CaptureFixture
) -> None:
    Path("run").mkdir()
    shutil.copy(CORPUS / "record" / f"{name}.json", Path("run", "scan.json" if "scan" in study else "record.json"))
    more = ["molecule=H2", "scan.bond_length=[0.7,0.8,0.1]"] if "scan" in study else []
    assert "run" in refused([study, *more, "output_dir=run"], folder, capsys)


SAMPLE = [
    ["molecule=alias-bomb.yaml"], ["molecule=\x1b[31m"], ["show", "deep-lists.json"], ["seed=${oc.env:HOME}"],
    ["model=tfim", "ansatz=tag.yaml"], ["collect", "."],
]  # fmt: skip


def test_processes_end_alike(folder: Path) -> None:
    """Some of the above as a user types them; at once, since most of the time is that of starting Python."""
    for name in ("molecule/alias-bomb.yaml", "record/deep-lists.json", "gates/tag.yaml"):
        shutil.copy(CORPUS / name, folder)
    shutil.copy(CORPUS / "trace/deep.jsonl", folder / "trace.jsonl")
    before = tree(folder)
    command = [sys.executable, "-m", "vqe_prune"]
    started = [subprocess.Popen([*command, *each], stdout=-1, stderr=-1, text=True) for each in SAMPLE]
    for arguments, process in zip(SAMPLE, started, strict=True):
        out, said = process.communicate(timeout=WAITED)
        assert (process.returncode, out) == (2, ""), arguments
        assert is_one_line(said), said
    assert tree(folder) == before


def test_the_watch_sees_what_it_should(folder: Path) -> None:
    """The tests above are worth nothing if the hook is deaf."""
    for act in (
        lambda: subprocess.run(["true"], check=True),
        lambda: Path(tempfile.gettempdir(), f"seen-{os.getpid()}").write_text(""),
        lambda: os.remove(Path(tempfile.gettempdir(), f"seen-{os.getpid()}")),
        lambda: __import__("pickle").loads(b"cos\ngetcwd\n."),
    ):
        with pytest.raises(AssertionError), watched(folder):
            act()
    with pytest.raises(TimeoutError, match="processor"), watched(folder, seconds=0.1):
        while True:
            pass
    with watched(folder):
        (folder / "own").write_text("")
