"""Ansätze of other programs by their lists of excitations, so that the angles found there are ours as they stand.

PennyLane, Qiskit Nature and TenCirChem are never imported: the functions take the plain lists that these print. Each
program numbers spin orbitals, signs and scales amplitudes and orders the product in its own way, which is translated;
how it then puts spin orbitals on qubits changes no energy. Checked against the energies of the programs themselves at
random angles by ``benchmarks/migration.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from vqe_prune.adapt import qubit_excitation
from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.errors import InputError, near_misses, shortened

TEMPLATES = ("UCCSD", "AllSinglesDoubles")
"""Of PennyLane: fermionic excitations, or Givens rotations on qubits without the strings of Jordan and Wigner."""

Gate = tuple[Excitation, float]
"""An excitation and the factor of its angle."""


def ansatz_from_pennylane(
    singles: Sequence[Sequence[int]], doubles: Sequence[Any], *, template: str = "UCCSD", repeats: int = 1
) -> Ansatz:
    """Make the ansatz of PennyLane's template out of its lists of excitations; its weights are the angles.

    ``qml.UCCSD`` is the product of exp(w/2 (a+_p a_r - h.c.)) and exp(w/2 (a+_p a+_q a_r a_s - h.c.)), ``singles``
    [r, p] and ``doubles`` [s, r, q, p]; its page leaves out the 1/2, its gates have it. ``qml.AllSinglesDoubles`` is
    that of SingleExcitation and DoubleExcitation, which turn qubits by w/2 in the opposite sense and know no fermionic
    sign. In both doubles act first, though weights of singles come first. The weights of several layers, shape
    (repeats, n), are angles when they are flattened.

    Args:
        singles: As `qml.qchem.excitations` returns them, or the wires of `qml.qchem.excitations_to_wires`: of each
            single the first wire is emptied, the last one filled. Spin orbitals are interleaved, alpha even, as ours.
        doubles: Likewise four spin orbitals each, or two lists of wires.
        template: ``UCCSD`` for a `Problem`, or ``AllSinglesDoubles`` for a `QubitProblem` in the occupations of its
            spin orbitals, such as `molecular_qubit_problem` makes.
        repeats: Layers, each with angles of its own (n_repeats of UCCSD).

    Returns:
        The ansatz, parameters numbered as PennyLane's weights.

    Raises:
        InputError: An entry is no excitation that conserves S_z.

    Source: PennyLane 0.45, `qml.FermionicSingleExcitation`, `qml.FermionicDoubleExcitation`, `qml.SingleExcitation`,
        `qml.DoubleExcitation`, `qml.UCCSD`, `qml.AllSinglesDoubles`.

    """
    if template not in TEMPLATES:
        raise InputError(f"unknown template {template!r}{near_misses(template, TEMPLATES)}")
    moves = [_checked(_pennylane_single, entry, f"singles {k}") for k, entry in enumerate(singles, start=1)]
    pairs = [_checked(_pennylane_double, entry, f"doubles {k}") for k, entry in enumerate(doubles, start=1)]
    numbered = [*enumerate(pairs, start=len(moves)), *enumerate(moves)]
    fermionic, name = template == "UCCSD", f"pennylane {template}"
    return _product(name, [(k, gate) for k, gate in numbered], repeats, fermionic=fermionic)


def ansatz_from_qiskit(excitations: Sequence[Any], n_orbitals: int, *, repeats: int = 1) -> Ansatz:
    """Make Qiskit Nature's UCC ansatz out of its list of excitations; its parameters are the angles.

    An entry ((i, j), (a, b)) is exp(t (a+_i a+_j a_a a_b - h.c.)), which takes electrons out of a and b where t is
    positive: the opposite of the usual amplitude for singles, the same for doubles once its operators are sorted.

    Args:
        excitations: `excitation_list` of UCC, UCCSD, PUCCD, CHC and the like after the circuit was built, without
            ``include_imaginary``; pairs of filled and of empty spin orbitals, alpha 0 to n - 1, beta n to 2 n - 1.
        n_orbitals: Number n of spatial orbitals, `num_spatial_orbitals`.
        repeats: `reps`, each with angles of its own.

    Returns:
        The ansatz of a `Problem`, parameters numbered as Qiskit's.

    Raises:
        InputError: An entry is no excitation that conserves S_z, or names a spin orbital that is not there.

    Source: Qiskit Nature 0.8, `UCC._build_fermionic_excitation_ops`.

    """
    _check_orbitals(n_orbitals)

    def place(spin_orbital: int) -> int:
        return 2 * spin_orbital if spin_orbital < n_orbitals else 2 * (spin_orbital - n_orbitals) + 1

    def gate(entry: Any) -> Gate:
        filled, empty = (_whole_numbers(part, 2 * n_orbitals) for part in _parts(entry, "((0,), (2,))"))
        swaps = len(filled) * (len(filled) - 1) // 2
        return _excitation([place(p) for p in empty], [place(p) for p in filled], -((-1.0) ** swaps))

    gates = [_checked(gate, entry, f"excitations {k}") for k, entry in enumerate(excitations, start=1)]
    return _product("qiskit UCC", list(enumerate(gates)), repeats)


def ansatz_from_tencirchem(
    ex_ops: Sequence[Sequence[int]], n_orbitals: int, param_ids: Sequence[int] | None = None
) -> Ansatz:
    """Make TenCirChem's UCC ansatz out of its excitation operators; its parameters are the angles.

    An entry (p, q, r, s) is exp(t (a+_p a+_q a_r a_s - h.c.)), (p, q) is exp(t (a+_p a_q - h.c.)).

    Args:
        ex_ops: `ex_ops` of UCCSD, KUPCCGSD, PUCCD and the like; beta 0 to n - 1, alpha n to 2 n - 1.
        n_orbitals: Number n of spatial orbitals, `n_elec` not included: those of the active space.
        param_ids: `param_ids`, the parameter of each operator; default one each.

    Returns:
        The ansatz of a `Problem`, parameters numbered as TenCirChem's.

    Raises:
        InputError: An entry is no excitation that conserves S_z, or the two lists do not fit.

    Source: W. Li et al., TenCirChem: an efficient quantum computational chemistry package for the NISQ era, arXiv
        2303.10825; version 2024.1.

    """
    _check_orbitals(n_orbitals)

    def place(spin_orbital: int) -> int:
        return 2 * spin_orbital + 1 if spin_orbital < n_orbitals else 2 * (spin_orbital - n_orbitals)

    def gate(entry: Any) -> Gate:
        numbers = [place(p) for p in _whole_numbers(entry, 2 * n_orbitals)]
        half = len(numbers) // 2
        return _excitation(numbers[:half], numbers[half:][::-1], 1.0)

    gates = [_checked(gate, entry, f"ex_ops {k}") for k, entry in enumerate(ex_ops, start=1)]
    numbers = list(range(len(gates))) if param_ids is None else _whole_numbers(param_ids)
    if len(numbers) != len(gates) or set(numbers) != set(range(len(set(numbers)))):
        raise InputError(
            f"param_ids must number the parameters of {len(gates)} operators from 0, but they are {shortened(numbers)}"
        )
    return _product("tencirchem UCC", list(zip(numbers, gates, strict=True)), 1)


def _pennylane_single(entry: Any) -> Gate:
    wires = _whole_numbers(entry)
    if len(wires) < 2:
        raise InputError("a single must name two spin orbitals")
    return _excitation([wires[-1]], [wires[0]], 0.5)


def _pennylane_double(entry: Any) -> Gate:
    parts = list(_sequence(entry))
    if len(parts) == 2:  # of excitations_to_wires: [s, ..., r] and [q, ..., p]
        lists = [_whole_numbers(part) for part in parts]
        if min(map(len, lists)) < 2:
            raise InputError("each of its two lists must name two spin orbitals")
        s, r, q, p = (wire for wires in lists for wire in (wires[0], wires[-1]))
    elif len(parts) == 4:
        s, r, q, p = _whole_numbers(parts)
    else:
        raise InputError("a double must name four spin orbitals")
    return _excitation([p, q], [s, r], 0.5)


def _excitation(created: list[int], annihilated: list[int], factor: float) -> Gate:
    """An excitation with sorted lists, and the factor with the sign of the sorting."""
    for indices in (created, annihilated):
        factor *= (-1.0) ** sum(p > q for k, p in enumerate(indices) for q in indices[k + 1 :])
    return Excitation(tuple(sorted(created)), tuple(sorted(annihilated))), factor


def _product(name: str, gates: Sequence[tuple[int, Gate]], repeats: int, *, fermionic: bool = True) -> Ansatz:
    """The product of gates, each with the number of its parameter, in their order."""
    if not gates:
        raise InputError("there is no excitation in the lists: an ansatz needs at least one")
    if type(repeats) is not int or repeats < 1:
        raise InputError(f"repeats={repeats} must be a whole number from 1")
    count = 1 + max(k for k, _ in gates)
    rotations = []
    for layer in range(repeats):
        for k, (excitation, factor) in gates:
            parameter = layer * count + k
            if fermionic:
                rotations.append(Rotation(excitation, parameter, factor))
            else:  # turns from filled to empty have the sign of the operator that empties, whatever the order of wires
                rotations.append(Rotation(qubit_excitation(excitation), parameter, -0.5))
    return Ansatz(name=name, rotations=tuple(rotations), n_parameters=repeats * count)


def _checked(make: Callable[[Any], Gate], entry: Any, where: str) -> Gate:
    """Make a gate, or say which entry is wrong."""
    try:
        return make(entry)
    except ValueError as error:
        reason = str(error).replace("Arguments `created` and `annihilated`", "an excitation")
        raise InputError(f"{where}, {shortened(entry)}: {reason.removeprefix('Argument `created` ')}") from error


def _parts(entry: Any, example: str) -> list[Any]:
    parts = list(_sequence(entry))
    if len(parts) != 2:
        raise InputError(f"must be a pair of filled and of empty spin orbitals such as {example}")
    return parts


def _sequence(entry: Any) -> Iterable[Any]:
    if isinstance(entry, str | bytes) or not hasattr(entry, "__iter__"):
        raise InputError("must be a list of spin orbitals")
    return entry


def _whole_numbers(entry: Any, end: int | None = None) -> list[int]:
    """Whole numbers from 0, below `end` where there is one; those of NumPy and JAX are taken too."""
    numbers = []
    for item in _sequence(entry):
        if isinstance(item, bool) or not hasattr(item, "__index__"):
            raise InputError(f"spin orbitals must be whole numbers, but {shortened(item)} is none")
        number = item.__index__()
        if number < 0 or (end is not None and number >= end):
            raise InputError(f"{number} is not there; {'numbers count from 0' if end is None else f'there are {end}'}")
        numbers.append(number)
    return numbers


def _check_orbitals(n_orbitals: int) -> None:
    if type(n_orbitals) is not int or n_orbitals < 1:
        raise InputError(f"n_orbitals={n_orbitals} must be a number of spatial orbitals, from 1")
