"""Calls and streams that are cancelled at each of their checkpoints: no place and no socket is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from anyio import fail_after

from realtime_azure.rest import RestClient
from tests.checkpoints import Moment, Way, by_crash, by_deadline, by_scope, each_checkpoint
from tests.rest.serving import answer, in_turn, serve, streamed

pytestmark = pytest.mark.anyio
STREAMED = streamed(b'data: {"n": 1}\n\n', b'data: {"n": 2}\n\n', b"data: [DONE]\n\n")
PLAIN = answer(200, {"ok": True})


async def a_call(client: RestClient) -> None:
    assert await client.request("POST", "x", json={}, result=dict[str, bool]) == {"ok": True}


async def a_stream(client: RestClient) -> None:
    async with await client.chat.completions.create(model="m", messages=[], stream=True) as stream:
        assert len([chunk async for chunk in stream]) == 2


@pytest.mark.parametrize(("use", "said"), [(a_call, PLAIN), (a_stream, STREAMED)], ids=["call", "stream"])
@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("way", [by_scope, by_deadline, by_crash])
async def test_what_is_cancelled_gives_back_its_place_and_leaves_no_socket(
    way: Way, moment: Moment, use: Callable[[RestClient], Awaitable[None]], said: bytes
) -> None:
    async with serve(in_turn([said])) as server:
        for probe in each_checkpoint(moment, least=2):
            client = RestClient(server.url, api_version="v1", api_key="k", proxy=False, max_connections=1)
            with fail_after(5):
                async with client:

                    async def operation(client: RestClient = client) -> None:
                        await use(client)

                    await way(operation, probe)
                    await use(client)
                await server.idle.wait()
