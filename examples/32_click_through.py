"""A small click log with a planted structure, FIN beside mean pooling, and who finds it.

Needs PyTorch and scikit-learn (`pip install 'vqe-prune[tasks]'`); without them it says so and ends.
"""

import sys
from importlib.util import find_spec

if not all(map(find_spec, ("torch", "sklearn"))):
    print("needs PyTorch and scikit-learn: pip install 'vqe-prune[tasks]'; nothing done")
    sys.exit()

import torch

from vqe_prune.tasks.click_logs import split_by_time
from vqe_prune.tasks.click_metrics import area_under_curve
from vqe_prune.tasks.click_synthetic import Synthetic, synthetic_log
from vqe_prune.tasks.ctr_models import ModelSizes
from vqe_prune.tasks.ctr_training import Fitting, fit, predict, throughput
from vqe_prune.tasks.fin import BODIES, ClickModel, DenseHead

log = synthetic_log(0, Synthetic(n_users=60, clicks_each=400, requests_each=60, n_places=8, n_categories=10))
print(log.summary())
split = split_by_time(log)
sizes = ModelSizes(events=400, fragment=100)
how = Fitting(epochs=3, batch=50, learning_rate=0.005, weight_decay=0.1, patience=2, seed=0)
areas = {}
for name in ("fin", "mean_pooling"):
    torch.manual_seed(0)
    body = BODIES[name](log, split, sizes)
    model = ClickModel(body, DenseHead(body.n_outputs, sizes.hidden, sizes.dropout))
    progress = fit(model, log, split, how)
    areas[name] = area_under_curve(log.labels[log.candidates(split.test)], predict(model, split.test))
    print(f"{name}: AUC {areas[name]:.3f} on the later requests, trained with {throughput(progress)}")
assert areas["fin"] > areas["mean_pooling"] + 0.03
