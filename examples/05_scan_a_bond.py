"""A scan of hydrogen fluoride's bond with one pruned structure for all points, and the numbers that must come out."""

import tempfile

from vqe_prune.config import parse_settings
from vqe_prune.scan import run

with tempfile.TemporaryDirectory() as folder:
    arguments = ["study=scan", "molecule=HF", "scan.bond_length=[0.9,2.9,0.4]", "threads=2", f"output_dir={folder}"]
    found = run(parse_settings(arguments))

(piece,) = found["segments"]
assert piece["n_parameters"] == 4  # one structure for all six points
assert len(piece["rotations"]) == 6
errors = [point["stages"][-1]["error_to_exact"] for point in found["points"]]
assert 0 < max(errors) < 1.5e-3  # hartree, at every point
common = next(row for row in found["curves"] if row["key"] == "final")
assert abs(common["non_parallelity"] - (max(errors) - min(errors))) < 1e-12
assert any("the lower one is the reference" in note for note in found["notes"])  # at 2.5 angstrom SCF goes astray
print(f"{piece['n_parameters']} parameters, non-parallelity error {1e3 * common['non_parallelity']:.3f} mHa")
