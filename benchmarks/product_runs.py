"""Runs the product on what reference_pytorch runs, for compare_reference.

python -m benchmarks.product_runs --glue=FOLDER --output=FOLDER --backbone=demo --tasks=mrpc,stsb --seeds=0,1,2
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mtdnn_tf.json_files import write_json
from mtdnn_tf.modeling.backbone import POOLER
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train


def main() -> None:
    """Trains one run a seed and writes its development metrics."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glue", type=Path, required=True, help="folder of GLUE's own files")
    parser.add_argument("--output", type=Path, required=True, help="folder of runs and results")
    parser.add_argument("--backbone", default="demo")
    parser.add_argument("--tasks", required=True, help="comma-separated tasks, trained together")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--learning_rate", type=float, default=3e-4)
    parser.add_argument("--optimizer", default="adamax")
    parser.add_argument("--pair_head", default="linear", choices=["linear", "san"])
    flags = parser.parse_args()
    tasks = tuple(flags.tasks.split(","))
    for seed in map(int, flags.seeds.split(",")):
        name = f"{'-'.join(tasks)}-{seed}"
        metrics = train(
            TrainingConfig.build(
                output_dir=flags.output / "runs" / name,
                data_dir=flags.glue,
                cache_dir=flags.output / "cache",
                tasks=tasks,
                max_sequence_length=128,
                backbone=flags.backbone,
                pooling=POOLER,  # As the reference reads it.
                epochs=flags.epochs,
                learning_rate=flags.learning_rate,
                optimizer=flags.optimizer,
                pair_head=flags.pair_head,
                max_train_examples=flags.rows,
                seed=seed,
                evaluation="end",
            )
        )
        results = [
            {"mode": flags.tasks, "seed": seed, "task": task, "metrics": values} for task, values in metrics.items()
        ]
        write_json(flags.output / "results" / f"{name}.json", results)


if __name__ == "__main__":
    main()
