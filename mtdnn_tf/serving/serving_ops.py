"""The operations that an exported graph may hold, so that a stock TF Serving loads it."""

from __future__ import annotations

from pathlib import Path

from tensorflow.core.protobuf import saved_model_pb2

from mtdnn_tf.errors import UserError

OLDEST_TF_SERVING = "2.12.1"

# What both trains make of the encoder, the heads and the tokenizer, and what a SavedModel restores its variables
# with; tensorflow 2.12.1 has registered all of it.
_CORE_OPS = """
Abs AddV2 All ArgMax Assert AssignVariableOp BatchMatMulV2 BiasAdd BroadcastTo Cast ConcatV2 Const Cumsum DenseBincount
DisableCopyOnRead Einsum Equal Erf Erfc Exp ExpandDims Fill GatherV2 Greater GreaterEqual Identity If IsFinite Less
LessEqual Log LogSoftmax LogicalAnd LogicalNot MatMul Max Maximum Mean MergeV2Checkpoints Minimum Mul Neg NoOp
NotEqual Pack ParseExampleV2 PartitionedCall Placeholder Pow Prod RaggedGather RaggedTensorToTensor Range
ReadVariableOp RealDiv Relu Reshape ResourceGather RestoreV2 Rsqrt SaveV2 Select SelectV2 Shape ShardedFilename
Sigmoid Size Slice Softmax Split SplitV SquaredDifference Squeeze StatefulPartitionedCall StaticRegexFullMatch
StaticRegexReplace StopGradient StridedSlice StringJoin StringLength StringLower StringSplitV2 Sub Sum Tanh Tile
Transpose UnicodeTranscode Unpack VarHandleOp Where ZerosLike
"""

# Of the operations of tensorflow-text, TF Serving 2.12.1 has these; it has not TFText>RoundRobinTrim.
_TEXT_OPS = "FastWordpieceTokenizeWithOffsets NormalizeUTF8"

ALLOWED_OPS = frozenset((_CORE_OPS + _TEXT_OPS).split())


def ops_of_saved_model(folder: Path) -> set[str]:
    """Returns the names of all operations in a SavedModel's graphs and functions."""
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((folder / "saved_model.pb").read_bytes())
    ops: set[str] = set()
    for meta_graph in saved_model.meta_graphs:
        graph = meta_graph.graph_def
        functions = {function.signature.name for function in graph.library.function}
        nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
        # A node may name a function of the same graph as its operation.
        ops |= {node.op for node in nodes} - functions
    return ops


def check_ops(folder: Path) -> None:
    """Refuses a SavedModel that holds an operation which a stock TF Serving may not have.

    Raises:
        UserError: An operation is not on the list.
    """
    unknown = sorted(ops_of_saved_model(folder) - ALLOWED_OPS)
    if unknown:
        raise UserError(
            f"the model cannot be exported: its graph holds {', '.join(unknown)}, "
            f"and only operations that answering needs and TF Serving {OLDEST_TF_SERVING} has are accepted"
        )
