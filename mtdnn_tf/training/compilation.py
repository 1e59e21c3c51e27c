"""Which settings go with a training step that XLA compiles."""

from __future__ import annotations

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.precision import MIXED_FLOAT16

OFF = "off"
TPU = "tpu"
LOCAL_TPU = "local"
# tensorflow-addons' leave XLA, or update rows of tables alone, which XLA does not know beforehand.
_OPTIMIZERS = ("adamax", "adamw")


def check_compilation(
    *,
    jit_compile: bool,
    strategy: str,
    tpu: str,
    steps_per_execution: int,
    optimizer: str,
    precision: str,
    checkpoint_interval: int,
) -> None:
    """Refuses settings that do not go together, each named as the field of `TrainingConfig`.

    Args:
        jit_compile: Whether a single device's step is compiled.
        strategy: Name of the strategy; that of a TPU always compiles.
        tpu: Where the TPU is.
        steps_per_execution: Steps made in one call.
        optimizer: Name of the optimizer.
        precision: What the encoder computes in.
        checkpoint_interval: Steps between checkpoints.

    Raises:
        UserError: One needs a compiled step and there is none, or the compiled step cannot be made with one.
    """
    if tpu != LOCAL_TPU and strategy != TPU:
        raise UserError(f"--tpu goes with --strategy={TPU}, --tpu={tpu} with --strategy={strategy} given")
    if steps_per_execution < 1:
        raise UserError(f"--steps_per_execution takes a whole number from 1, {steps_per_execution} given")
    if not jit_compile and strategy != TPU:
        if steps_per_execution > 1:
            raise UserError(
                f"--steps_per_execution goes with --jit_compile or --strategy={TPU}, "
                f"--steps_per_execution={steps_per_execution} without them given"
            )
        return
    if strategy not in (OFF, TPU):
        raise UserError(f"--jit_compile goes with --strategy={OFF} or {TPU}, --strategy={strategy} given")
    named = "--jit_compile" if strategy != TPU else f"--strategy={TPU}"
    if optimizer not in _OPTIMIZERS:
        raise UserError(f"{named} goes with --optimizer={' or '.join(_OPTIMIZERS)}, {optimizer} given")
    if strategy == TPU and precision == MIXED_FLOAT16:
        raise UserError(f"{named} goes with --precision=float32 or mixed_bfloat16, {precision} given")
    if checkpoint_interval % steps_per_execution:
        raise UserError(
            f"--checkpoint_interval takes a multiple of --steps_per_execution {steps_per_execution}, "
            f"{checkpoint_interval} given"
        )
