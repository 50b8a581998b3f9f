"""Settings that are refused before anything is computed, each in one line that says what to type instead."""

import pytest

from vqe_prune.config import parse_settings
from vqe_prune.errors import InputError

DEVICE = "molecule=H2 device=willow_pink "
REFUSED = {
    "molecule=H2 output_dir=": "output_dir= is empty",
    "molecule=H2 seed=-1": "seed=-1",
    "molecule=H2 excited.states=2 excited.penalty=0 excited.method=deflation": "must be above 0 hartree",
    "molecule=H2 excited.states=0 excited.method=subspace": "no effect with excited.states=0",
    "molecule=H2 nuclei=gradient molecule.orbitals=uno": "needs orbitals of Hartree-Fock",
    "molecule=H2 ansatz=hardware_efficient ansatz.layers=0": "must be at least 1",
    "model=tfim model.n=4 ansatz.layers=0": "ansatz.layers=0 must be at least 1",
    "model=tfim model.n=4 model.reference=": "model.reference= is empty",
    "model=tfim model.n=4 model.periodic=true": "no effect on a ring, chain or ladder",
    "model=tfim model.lattice=rng model.n=4": "did you mean",
    "model=tfim model.lattice=bonds.yaml model.n=4": "no effect with a lattice from a file",
    "model=fermi_hubbard model.n=2 model.electrons=[1]": r"must be \[alpha,beta\]",
    "model=tfim model.lattice=square model.shape=[2]": r"must be \[rows,columns\]",
    DEVICE + "device.processor=abc": "no effect with the virtual device=willow_pink",
    "molecule=H2 device=google": "needs device.processor=ID",
    "molecule=H2 device=google device.processor=p device.noise_scale=2": "no effect with device=google",
    "molecule=H2 device=google device.processor=p device.run=r device.snapshot=s": "exclude each other",
    DEVICE + "device.stages=[symmetry] pruner=[curvature]": "no effect without pruner=",
    DEVICE + "device.stages=[curvature,curvature]": "must name each once|unknown device.stages",
    DEVICE + "device.seconds=0": "must be above 0",
    DEVICE + "device.mitigation=[post_selektion]": "unknown device.mitigation=post_selektion.*did you mean",
    DEVICE + "device.mitigation=[post_selection,post_selection]": "names one twice",
    DEVICE + "device.shots=1": "error bars would mean nothing",
    DEVICE + "device.noise_scale=101": "must be from 0 to 100",
    DEVICE + "device.twirls=1": r"must be 0 \(none\) or from 2",
    "molecule=LiH molecule.active_space=[2,2] molecule.active_orbitals=[1,2]": "leave one of them out",
    "molecule=LiH molecule.active_space=[2]": r"must be \[electrons,orbitals\]",
    "molecule=LiH molecule.active_orbitals=[0]": "counted from 1",
    "molecule=LiH molecule.active_orbitals=[2,2]": "must name each orbital once",
    "molecule=LiH molecule.active_space=[2,2] molecule.frozen_core=true": "no effect beside molecule.active_space",
    "molecule=LiH molecule.active_space=auto molecule.orbitals=hf": "needs natural orbitals",
    "molecule=LiH molecule.occupation_threshold=0.1": "is of molecule.active_space=auto",
    "molecule=LiH molecule.active_space=auto molecule.occupation_threshold=2": "between 0 and 1 electrons",
    "molecule=LiH molecule.orbitals=nos": "unknown molecule.orbitals=nos",
    "molecule=LiH molecule.basis=": "must be a name",
    "molecule=H2 study=scan scan.bond_length=[0.6,1.5,0.3] device=willow_pink": "is not for study=scan",
    "molecule=H2 study=scan scan.bond_length=[0.6,1.5,0.3] excited.states=2": "excited.states is not for study=scan",
    "task=classify task.compression=0.5": "must be at least 1",
    "task=classify pruner.parameters=0": "must be at least 1",
    "task=classify seed=-1": "must be 0 or more",
    "task=classify output_dir=": "is empty",
    "task=classify task.samples=[1,2]": "three counts",
    "task=classify ansatz.layers=10000": "would take hours",
    "task=classify ansatz.blocks=[] ansatz.entangler=cz": "leave nothing to turn",
    "task=ctr task.sets=unoin": "unknown task.sets=unoin",
    "task=ctr task.negatives=3": "it is of foursquare",
    "task=ctr task.data_dir=x": "no effect with task.dataset=synthetic",
    "task=ctr task.dataset=eleme": "D1_0.csv",
    "task=ctr task.models=[fin,fin]": "must name each model once",
    "task=ctr task.head=circuit task.models=[fin,din]": "prunes the circuit of one model",
    "task=ctr task.models=[din] task.sets=none": "no effect without fin",
    "task=ctr task.head=circuit task.qubits=1": "must be from 2",
    "task=ctr task.events=0": "must be above 0",
}


@pytest.mark.parametrize("command", REFUSED)
def test_it_is_refused_in_one_line(command: str) -> None:
    with pytest.raises(InputError, match=REFUSED[command]) as refused:
        parse_settings(command.split(" "))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400
