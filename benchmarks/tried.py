"""What was tried for speed, for the page of benchmarks.run."""

TRIED = """\
## What stands in the way of more
* *Three times transformers' default collator.* Its batches of random rows pad about twice as many tokens as
  group_by_length's, and at the same padding the product is 1.2 times as fast: that is 2.6 together. Three times would
  need three quarters of the matrix product's peak in batches of this mix, whose rows are shorter than 64 (an estimate
  from the two ratios).
* *One short text as fast as PyTorch.* Why a request at batch 1 and 32 word pieces takes longer was not measured; a
  guess is what TensorFlow spends on starting each of its many small operations. From 64 word pieces or 8 rows on, the
  two are about level, larger batches ahead. LayerNorm and GELU written as oneDNN may join them were tried, two runs
  and one: no difference beyond the noise (9.8 to 11.4 ms against 10.4 to 13.1). Whether they were joined was not
  checked.
* *mixed_float16 on this CPU* takes a hundred times as long; why was not looked into.
* *Memory* is at the edge of its target. The table is the fourth try: one run a size gave 1.12 before ids took less
  memory, then 1.12 and 1.05; five runs, with tests running beside them, gave the table. `settings` are single runs.
* *The rest of a step.* Two thirds of the operations' time are matrix products. What is left are passes over
  activations that no kernel of TensorFlow's joins (GELU, dropout, softmax, LayerNorm: 17 %), the optimizer's sweeps
  over all weights, most of them word embeddings (8 %), and dropout's random numbers (4 %).

## Where the time of a step goes
Before the changes below, on one core of a busy machine (processor time, 32 rows of 32 word pieces, the encoder of
`--backbone=demo`): matrix products take 59 % of the time of all operations; of the rest the largest are the optimizer's
sweeps over the word embeddings (by estimate 16 %), multiplications of dropout and LayerNorm, and dropout's random
numbers (4 %). Forward and backward pass took 82 % of a step (89 % with 16 rows of 64). The step reached 0.46 of the
matrix product's peak in the same process (0.48), inference 0.67.

## Tried
* **No tuning of the data's pipeline** (`training/generated.py`): whoever drops an iterator of tf.data may wait, it
  seems until its tuning thread looks again (waits fit pauses of 10 ms, 20 ms, 40 ms, ..., and end without tuning).
  Six steps took 5.4 s or, in 8 of 12 tries, 10.2 s, their processor time being the same; epochs of 58 s took 82 s.
  Without tuning, eight tries took 5.4 to 6.7 s.
* **One kernel for Adamax** (`training/fused_adamax.py`): TensorFlow's own `ResourceApplyAdaMax`, one pass a variable
  in place of Keras's dozen operations. Weights within 1e-7 of Keras's after 50 steps. In place: 2.8 times as fast
  (2.6 to 3.1) on the variables of this encoder, one core, processor time.
* **Queries, keys and values by one product; LayerNorm with a gradient in closed form** (`modeling/encoder_block.py`).
  In place: a block is 1.07, 1.12 and 1.02 times as fast forward and backward (32 rows of 32, 32 of 16, 16 of 64),
  1.04 forward with one row of 32. One product in inference too was 0.86 times as fast with one row; left out there.
* Updating the rows alone that the last batches have named: by estimate a few hundred batches of GLUE name a third to
  half of the table, and gathering and scattering rows costs more than one sweep. Not built.
* XLA for what is no matrix product: a program for every batch shape, of which there are as many as lengths. Not
  built.
"""
