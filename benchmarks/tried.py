"""What was tried for speed, for the page of benchmarks.run."""

TRIED = """\
## What stands in the way of more
* *Transformers' default collator.* Its batches of random rows pad about twice as many tokens as group_by_length's, by
  chance more or less, hence the spread. Earlier code was 2.65 (2.27 to 3.12) and 2.80 (2.32 to 2.93) times as fast;
  with 16-bit dropout, the closed gradient of GELU and chunks of 100 batches (below) once 2.87 (2.55 to 3.03); with
  halves of a batch side by side, and the chunks of 50 that there are, the table, measured once.
* Rows sorted by length within chunks of 100 batches in place of 50 would pad 1.02 in place of 1.04, and half of the
  rows that a row has shared a batch with would come again in the next epoch, where it is 0.4 at most now. Not built.
* *The share of the peak*: earlier code reached 0.62 (0.617 to 0.66), 0.71 (0.645 to 0.72) and 0.708 (0.663 to 0.72).
  The machine differs by as much from one quarter of an hour to the next. The peak is that of as many products at a time
  as operations have cores of their own, two here; one product that both cores share reached 217 GFLOP/s.
* *One short text as fast as PyTorch*: earlier code took 0.90 (0.745 to 1.0), 0.94 (0.905 to 1.24) and 0.908 (0.893 to
  1.11) times as long; with attention by plain products, the table.
* *mixed_float16 on this CPU* takes a hundred times as long; why was not looked into.
* *Memory*: five runs of 4 steps gave 1.10, twice (1.04 to 1.13), single ones before them 1.05 and 1.12. So few steps
  tell of how long their batches happen to be; the table's runs take 30, on one core, the other being busy.
  `settings` are single runs.
* *The rest of a step.* What is left beside matrix products are passes over activations that no kernel of TensorFlow's
  joins (GELU, dropout, softmax, LayerNorm), dropout's random numbers, and the optimizer's sweeps over all weights, half
  of them word embeddings. A step of one row of 8 word pieces takes 42 to 51 ms, most of them such sweeps.

## Where the time of a step goes
Before the changes below, on one core of a busy machine (processor time, 32 rows of 32 word pieces, the encoder of
`--backbone=demo`): matrix products take 59 % of the time of all operations; of the rest the largest are the optimizer's
sweeps over the word embeddings (by estimate 16 %), multiplications of dropout and LayerNorm, and dropout's random
numbers (4 %). Forward and backward pass took 82 % of a step (89 % with 16 rows of 64). The step reached 0.46 of the
matrix product's peak in the same process (0.48), inference 0.67.

## Tried
* **Two halves of a batch side by side, each operation on one core** (`mtdnn_tf/threads.py`,
  `training/accumulation.py`). Two threads that share every operation wait for each other: two processes of one core
  each made 2,960 real tokens/s together where one on both cores made 2,640. With the halves 2,724 and 2,838 where the
  step before made 2,541 and 2,384 (medians of three and two, in turns). The halves with two threads an operation gain
  nothing. The price is a graph of twice the size: with 6 layers the first step took 13.2 s in place of 7.2. With more
  than two cores it was not tried, and TensorFlow's own way is left.
* **Dropout by random numbers of 16 bits** (`modeling/dropout.py`), **GELU with its gradient in closed form**
  (`modeling/gelu.py`), **attention by plain matrix products in place of einsum.** Each forward and backward by itself,
  32 rows of 36 word pieces, two cores: 1.33 to 0.77 ms, 3.53 to 2.54 ms, 1.91 to 1.46 ms (medians of 15, and the least
  of 15). By samples of the processor's time, random numbers were 4.5 % of it and are 2.2 %. All three: 2,478, 2,374 and
  2,397 real tokens/s where the code before made 2,376, 2,148 and 2,113 (medians of three, in turns).
* Settings of TensorFlow's own, two cores: 1 or 4 threads between operations in place of 2, 3 within them, oneDNN's work
  on the caller's thread, its system allocator, its primitives kept: none faster, some 10 % slower. Large pages
  (`GLIBC_TUNABLES=glibc.malloc.hugetlb=1`): perhaps 2 % faster, 2,689 in place of 2,632 and 2,598 in place of 2,534.
  Not built.
* Adamax's scalars made once for all variables, or its kernel without locks: no difference.
* **The last block for the first position alone** (`modeling/partial_encoders.py`), which is all that linear heads read.
  On one core, beside other work, training went from 1,240 to 1,400 real tokens/s (medians of eight and four runs), one
  row of 32 word pieces from 11.0 to 10.3 ms, one of 64 from 16.3 to 14.8 (single runs).
* Memory that TensorFlow keeps between answers (`TF_CPU_ALLOCATOR_USE_BFC=true`; by profile, tensors below 256 KB, the
  largest of a short text's, can come from the system anew each time). Medians of one row of 32 word pieces in three
  measurements: 8.9 ms in place of 11.9, 9.4 in place of 9.5, 9.4 in place of 8.8. Not built.
* Weights as constants in the graph: one row of 32 or 16 word pieces 0.87 and 0.71 times as long, one of 64 and 8 rows
  of 32 1.06 and 1.12 times; probabilities moved by 1e-4. Not built.
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
