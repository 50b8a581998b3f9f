"""The command line: ``python -m vqe_prune molecule=LiH``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from vqe_prune import config, device_settings
from vqe_prune.catalogue import KINDS
from vqe_prune.choices import choices
from vqe_prune.commands import COLLECT, run_command
from vqe_prune.completion import SHELLS
from vqe_prune.errors import ConvergenceError, InputError, PendingError, one_line
from vqe_prune.google_credentials import GOOGLE, check_credentials
from vqe_prune.molecule_input import molecule_names
from vqe_prune.overrides import check_arguments
from vqe_prune.run_folder import check_writable
from vqe_prune.settings import Settings
from vqe_prune.task_settings import DATASETS

USAGE = """\
Usage: python -m vqe_prune [setting=value ...]
       python -m vqe_prune --multirun [setting=value,value ...]
       python -m vqe_prune.report FOLDER
       python -m vqe_prune collect FOLDER
       python -m vqe_prune list [{kinds}] [--json]
       python -m vqe_prune show RUN
       python -m vqe_prune compare RUN RUN ...
       python -m vqe_prune completion {shells}

Prepares a ground state, prunes the ansatz and checks the result; the same command again resumes or shows it.
--multirun runs every combination of the values a,b, range(5), choice(a,b), glob(L*) of its settings (quote brackets).
collect finishes a study whose jobs were sent to Google's service, from its folder; it sends and waits for nothing.
list says in a line each what there is to choose from. show prints the results of a run, scan or multirun again,
compare puts several runs or scans beside each other; RUN is a folder or its record.json. completion prints a script
for the shell.

A molecule:
  molecule=NAME           {molecules}
  molecule=FILE           a .yaml file of these fields, an .xyz geometry, or an FCIDUMP with integrals
  molecule.bond_length=   angstrom; also molecule.angle= (degrees), molecule.dihedral=
  molecule.basis=         a basis set of PySCF (sto-3g), or one for each element: {{Li: cc-pvdz, H: sto-3g}}
  molecule.ecp=           an effective core potential of PySCF (lanl2dz), or one for each element
  molecule.charge=        total charge (0)
  molecule.spin=          alpha minus beta electrons (0; of an FCIDUMP its MS2)
  molecule.irrep=         of the reference, in D2h and its subgroups, such as B1g (what the mean field ends in)
  molecule.stability=     {molecule_stability}: where SCF ended in a saddle point say so, or go down from it (check)
  molecule.orbitals=      {molecule_orbitals}: canonical orbitals of RHF or ROHF, natural ones of UHF or of MP2 (hf)
  molecule.active_space=  [electrons,orbitals] around the Fermi level, or auto: by natural occupation, in orbitals
                          of MP2 unless molecule.orbitals=uno
  molecule.occupation_threshold=  of auto: how far an occupation must be from 0 and from 2 (0.02)
  molecule.active_orbitals=       [2,3,6]: active orbitals counted from 1, filled ones first, as in the FCIDUMP
  molecule.frozen_core=   true leaves the core orbitals doubly occupied (false)

or a model:
  model=NAME              {model}; instead of a molecule
  model=FILE              a text file with a Pauli sum: -1.0 Z0 Z1, a term a line, or as OpenFermion prints it
  model.n=                sites of a {lines} (6)
  model.lattice=          {model_lattice}, or a .yaml file of bonds (ring)
  model.shape=            [rows,columns] of a square, triangular or kagome lattice
  model.periodic=         true closes these lattices (false)
  model.j= model.h= model.delta= model.j1= model.j2= model.t= model.u=    couplings (1; j2 0.5, u 4)
  model.electrons=        [alpha,beta] of a Hubbard model (half filling)
  model.reference=        product state to start from, 0, 1, + or - for each qubit

Pruning:
  pruner=                 {pruner}
                          (symmetry, then curvature; of tups and qnp curvature; of ansätze on qubits eqntk);
                          symmetry and eqntk come first; a list in brackets is taken as it is: [symmetry,curvature]
  pruner.tolerance=       largest error to the exact energy, hartree or J (1.5e-3)
  pruner.relative_to=     exact, or full: the increase over the full ansatz (exact)
  pruner.parameters=      number of parameters to prune to, instead of a tolerance
  pruner.orbitals=        {pruner_orbitals}; absorb takes turns of orbitals at the end of the circuit into
                          the Hamiltonian, optimise lets the orbitals follow all angles (fixed)
  pruner.epsilon=         of lie: gates within this distance are one, instead of a search for it
  pruner.calibration=     {pruner_calibration}: gates are one that the errors of this device blur
  pruner.distance=        {pruner_distance}: of gates, or what a merge does to the energy (geometric)
  pruner.condense=        true trains first towards fewer distinct angles (false)
  pruner.weights=         [algebra,fubini,fisher] of its geometric distances ([1,1,0.1])
  pruner.ensemble=        {pruner_ensemble}: it compares what gates do to the states that enter them, at
                          four points between zero angles and the optimum, or to the reference state (trajectory)

Ansatz, how it is trained, and its circuit:
  ansatz=                 {ansatz}
                          (uccsd; hardware_efficient for models), or a .yaml file with a list of gates
  ansatz.k=               layers of kupccgsd (2)
  ansatz.singlet=         true lets alpha and beta electrons share parameters as in a singlet (false)
  ansatz.order=           {ansatz_order}: which excitations act first
  ansatz.start=           {ansatz_start}: first angles of excitations (zero)
  ansatz.restarts=        further starts near it from random angles, the lowest end counts; with pruner=symmetry they
                          keep the point group (0; tups, qnp 5)
  ansatz.layers=          of layered ansätze (12; hva, qaoa 8; tups 3, qnp 4)
  ansatz.blocks=          rotations of each layer of hardware_efficient: [x,z], also y
  ansatz.entangler=       {ansatz_entangler} (zz)
  ansatz.connectivity=    {ansatz_connectivity} (circular)
  training.method=        {training_method}; how ansätze on qubits are trained from random angles (adam)
  training.seeds=         number of random starts (8)
  training.steps=         of adam from each random start, of l-bfgs at most (600)
  training.learning_rate= of adam, radian a step (0.05)
  training.threshold=     error that counts as success (1e-6)
  optimizer.gradient_tolerance=   hartree per radian (1e-7)
  optimizer.max_steps=    (2000)
  encoding=               {encodings}:
                          partial_pairs has one qubit for an orbital in and out of which only pairs move,
                          tapered_... leaves out qubits that conserved parities fix,
                          auto finds the fewest two-qubit gates, also pairs: one qubit for each
                          orbital of an ansatz that only moves pairs (auto)

A processor:
  device=                 {device}: measure the circuits there; virtual but for google
  device.project= device.processor=    ids of Google's service
  device.config=          its device configuration, of device.run= or device.snapshot= (the current default)
  device.wait=            false sends all jobs and returns; collect or the same command finishes the study (true)
  device.stages=          any of [{device_stages}]: the ansätze that are measured (all)
  device.shots=           of all circuits of an ansatz together (100000)
  device.mitigation=      any of [{mitigations}], none, or auto (auto);
                          reference subtracts the error of the same circuit at angles of almost zero, of molecules;
                          clifford rescales by circuits of known energy, of ansätze on qubits; auto takes all but zne,
                          and reference only where the error it removes is expected to be ten error bars
  device.noise_scale=     factor of a virtual device's error rates (1)
  device.twirls=          random frames of each circuit, which even out coherent errors; 0 for none (16)
  device.optimizer=       {device_optimizer}: optimise the pruned ansatz there as well, with
                          as many shots again for all iterations, then measure with fresh ones (none)
  device.iterations=      of this optimiser, at most (40)
  device.start=           {device_start}: it starts at the reference, angles of almost zero, or at the angles of
                          the pruned ansatz as found without noise (zero; pruned for ansätze on qubits)
  device.seconds=         most seconds that a virtual device may take in all, planning and optimiser included, as
                          predicted (120); what would take longer is left out, or above 12 qubits takes fewer shots

Excited states and forces:
  excited.states=         excited states to find out of the pruned ground state (0); excited=3 is short for it
  excited.method=         {excited_method}: of single and double excitations out of the state,
                          or of the reference under its rotations, or one by one, an ansatz pruned for each (expansion)
  excited.spin=           alpha minus beta electrons of the excited states; another than the molecule's flips spins
  excited.threshold=      of expansion: smallest eigenvalue of the overlap matrix that is kept (1e-6)
  excited.ansatz=         of deflation: {excited_ansatz} (uccsd)
  excited.penalty=        of deflation, hartree for each squared overlap (twice the highest excitation, at least 1)
  nuclei=                 {nuclei}; gradient gives the forces on the nuclei, optimise moves them to
                          a minimum with the pruned ansatz (geomeTRIC: pip install 'vqe-prune[geometry]') (fixed)

A scan:
  study=                  {study} (ground_state); scan goes along one coordinate, points in parallel
                          processes, and shows the curve, its errors and how smooth it is
  scan.bond_length=       [start,stop,step], both ends included, angstrom; or scan.angle=, scan.dihedral= (degrees);
                          or a coupling of a model: scan.j= scan.h= scan.delta= scan.j1= scan.j2= scan.t= scan.u=
  scan.structure=         {scan_structure}: one pruned structure for the whole curve, one for each point, or both
                          (common; each where one structure cannot be: ansätze on qubits, fabrics, pruner=lie)

A task on data:
  task=                   {task}: a loss on data in place of an energy, pruned by the same rules and
                          compared with a random rule and with training from scratch, over several seeds
  task.dataset=           of classify {classify_data} (digits); of generate {generate_data};
                          of ctr {ctr_data} (synthetic)
  task.data_dir=          folder of the IDX files of mnist and fashion_mnist (fetched into the user's cache); of ctr a
                          file or folder of Ele.me, or a file of check-ins
  task.classes=           [4,9]: labels to tell apart, two or more
  task.samples=           [training,validation,test] images (of digits and mnist at most [1000,400,1000])
  task.encoding=          {task_encoding}: how pixels (amplitude) or their principal components enter
                          the circuit (amplitude)
  task.qubits=            of classify: a component each, or log2 of the pixels (8; 6 for the 64 pixels of digits);
                          of ctr with a circuit as head (4, with ansatz.layers=3)
  task.features=          of reuploading: components that the layers encode in turn (task.qubits)
  task.readout=           qubits whose <Z> are read, dealt to the classes in turn (all; one will do for two classes)
  task.scale=             factor of <Z> in the logistic or softmax function (4)
  task.size=              [rows,columns] of bars and stripes: [2,2], [2,3] or [3,3] ([2,2])
  task.loss=              of generate: {task_loss}; kl is exact, mmd is of task.shots samples (kl)
  task.shots=             samples a step of mmd (1000)
  task.epochs= task.batch= task.learning_rate= task.patience=    of training; it ends task.patience epochs after the
                          best loss on the validation images
  task.models=            of ctr, any of [{task_models}] (all; with task.head=circuit one, fin)
  task.sets=              what fin's set operations act on: {task_sets} (both)
  task.head=              {task_head}: of ctr, from features to a click; a circuit is pruned (mlp)
  task.events=            of ctr, newest clicks of a history that are looked at (1000)
  task.negatives=         of foursquare, venues not visited for each visited one (4)
  task.rows=              of eleme, most rows of each file (200000)
  task.compression=       prunes to parameters / this, unless pruner.parameters is given (10)
  task.seeds=             data splits and first angles that everything is repeated with, from seed= on (5)

Every run:
  exact=                  false leaves out the exact energy (true)
  seed=                   of the random rule, and the first of the random starts and restarts (0)
  engine=                 {engine}: what evaluates ansätze of excitations, the processor's cores or a GPU, by JAX
                          (pip install 'vqe-prune[gpu]') (cpu)
  threads=                for large problems, and processes of a scan (all cores)
  output=                 {output}: warnings and the result in one line; what is found, with a live
                          line; or every step as a line; run.log in the folder holds what was said (normal)
  output_dir=             folder of the results (outputs/NAME/DIGEST)

A --multirun, whose results are shown together in outputs/multirun (output_dir= is then used in place of outputs):
  launcher=               {launcher}: where points run
                          (processes; the others: pip install 'vqe-prune[cluster]'); threads= of them are used here
  launcher.cpus=          cores of each point (1)
  launcher.memory=        GiB of each point, of Slurm and Ray
  launcher.minutes=       of each point, of submitit (240); what runs out of them is queued again
  launcher.partition= launcher.account= launcher.jobs=    of Slurm; most jobs at once (100)
  launcher.address=       of a Ray cluster that runs already (one on this machine is started)
  sweeper=                {sweeper}: all points, or a search by Optuna (grid; pip install 'vqe-prune[sweep]');
                          optuna takes interval(1e-4,5e-3), tag(log,interval(1e-4,5e-3)) and lists of values
  sweeper.minimise=       any of [{sweeper_minimise}]
                          ([error,two_qubit_gates])
  sweeper.trials=         points in all (32); more of them go on with the same search
  sweeper.batch=          points that are chosen together, and run at once (4)
  sweeper.seed=           of the search (0)

Examples:
  python -m vqe_prune molecule=LiH
  python -m vqe_prune molecule=H2O pruner.tolerance=5e-4
  python -m vqe_prune molecule=LiH molecule.bond_length=2.4 pruner.parameters=4
  python -m vqe_prune molecule=N2 molecule.bond_length=1.8 molecule.active_space=auto molecule.orbitals=uno
  python -m vqe_prune molecule=LiH pruner.orbitals=optimise device=willow_pink
  python -m vqe_prune study=scan molecule=LiH 'scan.bond_length=[1.0,3.5,0.1]'
  python -m vqe_prune model=tfim model.n=6 ansatz=hardware_efficient ansatz.layers=12 pruner=eqntk
  python -m vqe_prune --multirun molecule=LiH,BeH2 pruner=symmetry,lie,curvature 'seed=range(5)'
  python -m vqe_prune --multirun sweeper=optuna molecule=LiH 'pruner.tolerance=tag(log,interval(1e-4,5e-3))'

Exit status: 0 done; 2 the input cannot be used; 3 a calculation or a point did not converge or failed, nothing could be
measured on the device or jobs are not done; 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments, default those of the process.

    Returns:
        The exit status.

    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # PySCF's idle threads would spin on a busy machine
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's would too: some 100 times slower beside other work
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except PendingError as error:
        if arguments[:1] != [COLLECT]:  # device.wait=false: all is sent, as it was asked for
            print(error)
            return 0
        print(f"vqe_prune: {one_line(error)}", file=sys.stderr)
        return error.exit_status
    except (InputError, ConvergenceError) as error:
        print(f"vqe_prune: {one_line(error)}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:  # the reader of our output has gone, as with | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
        return 141
    except OSError as error:
        why = f"{error.filename or 'file'}: {error.strerror or error}"
        print(f"vqe_prune: {one_line(why)}", file=sys.stderr)
        return InputError.exit_status
    except MemoryError:
        print("vqe_prune: out of memory; choose a smaller basis, active space, model or ansatz.layers", file=sys.stderr)
        return InputError.exit_status
    except KeyboardInterrupt:
        print("\nvqe_prune: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return 130


def _run(arguments: Sequence[str]) -> int:
    """Do what the arguments say; what is large is imported only once the settings are known to be good."""
    check_arguments(arguments)
    if {"-h", "--help"} & set(arguments):
        print(USAGE.format(**_choices()), flush=True)
        return 0
    if {"-m", "--multirun"} & set(arguments):
        from vqe_prune import multirun

        return multirun.run([each for each in arguments if each not in ("-m", "--multirun")])
    if "--version" in arguments:
        from vqe_prune import __version__

        print(__version__)
        return 0
    answer = run_command(arguments)
    if answer is not None:
        print(answer, flush=True)
        return 0
    collecting = arguments[:1] == [COLLECT]
    settings = config.settings_of_run(_folder(arguments[1:])) if collecting else config.parse_settings(arguments)
    _check_surroundings(settings)
    is_scan, is_task = settings.study == "scan", settings.task.name is not None
    if collecting and (is_scan or is_task):
        kind = "scan" if is_scan else "task"
        raise InputError(f"collect: a {kind} measures on no device: there is nothing to collect")
    if is_task:
        from vqe_prune.tasks import study as task_study

        task_study.run(settings)
        return 0
    if is_scan:
        from vqe_prune import scan

        return ConvergenceError.exit_status if scan.unfinished(scan.run(settings)) else 0
    from vqe_prune import report, study

    return ConvergenceError.exit_status if report.unfinished(study.run(settings, collect=collecting)) else 0


def _check_surroundings(settings: Settings) -> None:
    """Raise InputError where results cannot be written or the service cannot be asked, before anything is imported."""
    folder = config.output_folder(settings)
    check_writable(folder)
    if settings.device.name == GOOGLE and not (folder / "record.json").exists():  # a complete study is only shown
        check_credentials(settings.device.project)


def _folder(arguments: Sequence[str]) -> Path:
    """The one argument of collect."""
    if len(arguments) != 1 or "=" in arguments[0]:
        raise InputError("collect takes one folder and no settings: python -m vqe_prune collect FOLDER")
    folder = Path(arguments[0])
    if not folder.is_dir():
        raise InputError(f"collect: {folder} is not a folder; give the folder that a study has printed")
    return folder


def _choices() -> dict[str, str]:
    """What the help lists: the choices of each setting, a dot in its name written as _."""
    found = {key.replace(".", "_"): ", ".join(names) for key, names in choices().items()}
    found["molecules"] = " ".join(molecule_names())
    found["lines"] = ", ".join(config.LATTICES[:3])
    found["mitigations"] = ", ".join(device_settings.MITIGATIONS)
    found["encodings"] = ", ".join(config.ENCODINGS[:5]) + ",\n" + " " * 26 + ", ".join(config.ENCODINGS[5:])
    for name, datasets in DATASETS.items():
        found[f"{name}_data"] = ", ".join(datasets)
    return {**found, "kinds": "|".join(KINDS), "shells": "|".join(SHELLS)}


if __name__ == "__main__":
    sys.exit(main())
