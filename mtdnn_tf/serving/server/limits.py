"""How much a server takes on at once."""

from __future__ import annotations

import dataclasses

from mtdnn_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds of a server; what is beyond them is refused at once, so that the rest is answered.

    Args:
        request_bytes: Largest request, in bytes.
        batch_rows: Most rows of a request.
        concurrency: Most requests that are answered or wait for it at one time.
        threads: Most requests that are answered at one time; TensorFlow has threads of its own within each.

    Raises:
        UserError: A bound is below 1.
    """

    request_bytes: int = 8 << 20
    batch_rows: int = 1024
    concurrency: int = 64
    threads: int = 4

    def __post_init__(self) -> None:
        names = {"request_bytes": "max_request_bytes", "batch_rows": "max_batch_rows", "concurrency": "max_concurrency"}
        for field in dataclasses.fields(self):
            if (value := getattr(self, field.name)) < 1:
                raise UserError(f"--{names.get(field.name, field.name)} takes a whole number from 1, {value} given")
