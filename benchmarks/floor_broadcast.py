"""The floor of a broadcast: a bare `websockets` server that passes the same bytes on to everybody.

    python -m benchmarks.floor_broadcast PORT

What a client of `/tell` sends is sent to all others. No rights, no database, no framework.
"""

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve


async def main(port: int) -> None:
    listening: set[ServerConnection] = set()

    async def serve_one(connection: ServerConnection) -> None:
        if connection.request is not None and connection.request.path == "/tell":
            async for text in connection:
                broadcast(listening, text)
            return
        listening.add(connection)
        try:
            await connection.wait_closed()
        finally:
            listening.discard(connection)

    async with serve(serve_one, "127.0.0.1", port, compression=None, ping_interval=None):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
