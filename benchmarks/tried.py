"""What was tried for speed, for the page of benchmarks.run."""

TRIED = """\
## Where the time of a step goes
Before the changes below, on one core of a busy machine (processor time, 32 rows of 32 word pieces, the encoder of
`--backbone=demo`): matrix products take 59 % of the time of all operations; of the rest the largest are the optimizer's
sweeps over the word embeddings (by estimate 16 %), multiplications of dropout and LayerNorm, and dropout's random
numbers (4 %). Forward and backward pass took 82 % of a step (89 % with 16 rows of 64). The step reached 0.46 of the
matrix product's peak in the same process (0.48), inference 0.67.

## Tried
* **One kernel for Adamax** (`training/fused_adamax.py`): TensorFlow's own `ResourceApplyAdaMax`, one pass a variable in
  place of Keras's dozen operations. Weights within 1e-7 of Keras's after 50 steps. In place: 2.8 times as fast (2.6 to
  3.1) on the variables of this encoder, one core, processor time.
* **Queries, keys and values by one product; LayerNorm with a gradient in closed form** (`modeling/encoder_block.py`).
  In place: a block is 1.07, 1.12 and 1.02 times as fast forward and backward (32 rows of 32, 32 of 16, 16 of 64), 1.04
  forward with one row of 32. One product in inference too was 0.86 times as fast with one row; left out there.
* Updating the rows alone that the last batches have named: by estimate a few hundred batches of GLUE name a third to
  half of the table, and gathering and scattering rows costs more than one sweep. Not built.
* XLA for what is no matrix product: a program for every batch shape, of which there are as many as lengths. Not built.
"""
