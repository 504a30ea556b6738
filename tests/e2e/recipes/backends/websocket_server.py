"""A WebSocket server that sends back what it gets. GET /state says how its connections have ended."""
import asyncio
import http
import json
import sys

import websockets

open_connections = 0
ends = []


async def echo(socket):
    global open_connections
    open_connections += 1
    try:
        async for message in socket:
            await socket.send(message)
    except websockets.ConnectionClosed:
        pass
    open_connections -= 1
    ends.append(socket.close_code)


async def state(path, _headers):
    if path != "/state":
        return None
    body = json.dumps({"open": open_connections, "ends": ends}).encode()
    return http.HTTPStatus.OK, [("Content-Type", "application/json")], body


async def main():
    async with websockets.serve(echo, sys.argv[1], int(sys.argv[2]), process_request=state, max_size=None):
        await asyncio.Future()


asyncio.run(main())
