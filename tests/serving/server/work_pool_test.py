from __future__ import annotations

import asyncio
import threading

import grpc
import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.server.status import ServingError
from mtdnn_tf.serving.server.work_pool import Limits, WorkPool


def test_a_place_is_free_again_when_its_work_has_ended_however_it_ends():
    async def use():
        pool = WorkPool(Limits(max_concurrency=2))
        release = threading.Event()
        running = asyncio.create_task(pool.run(release.wait))
        abandoned = asyncio.create_task(pool.run(release.wait))
        await asyncio.sleep(0.05)
        with pytest.raises(ServingError) as raised:
            await pool.run(ran.append, "refused")
        assert raised.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert raised.value.http_status == 429
        abandoned.cancel()
        await asyncio.sleep(0.05)
        with pytest.raises(ServingError):  # What a client no longer waits for keeps its place until it has ended.
            await pool.run(ran.append, "refused")
        release.set()
        assert await running is True
        await asyncio.sleep(0.05)
        await pool.run(ran.append, "after")
        for _ in range(5):
            with pytest.raises(ZeroDivisionError):
                await pool.run(lambda: 1 // 0)
        pool.close()

    ran: list[str] = []
    asyncio.run(use())
    assert ran == ["after"]


@pytest.mark.parametrize("field", ["max_request_bytes", "max_batch_rows", "max_concurrency"])
def test_a_limit_below_one_is_refused_by_its_flags_name(field):
    with pytest.raises(UserError, match=f"`{field}` must be an integer >= 1, got 0"):
        Limits(**{field: 0})
