"""A WebSocket client: `talk` says things, checks the echoes and takes its leave; `hold` stays until it is killed."""
import asyncio
import sys

import websockets


async def main():
    async with websockets.connect(sys.argv[1], max_size=None) as socket:
        for message in ["text", "", bytes(range(256)) * 8192]:
            await socket.send(message)
            assert await socket.recv() == message
        await (await socket.ping())
        print("talked", flush=True)
        if sys.argv[2] == "hold":
            await asyncio.Future()


asyncio.run(main())
