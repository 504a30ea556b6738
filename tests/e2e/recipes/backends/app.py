"""A FastAPI application with two handlers that work for as long as they may: POST /reports/loop streams, POST /reports/job
works in a thread. DELETE /jobs/ID ends a job; GET /state tells what each has done and how it ended.
"""
import asyncio
import threading

from fastapi import FastAPI, Header, HTTPException, Response
from fastapi.responses import StreamingResponse

app = FastAPI()
state = {}
stops = {}


@app.get("/state")
def get_state():
    return state


@app.post("/reports/loop")
async def loop(x_job_id: str = Header()):
    work = state[x_job_id] = {"state": "running", "steps": 0}

    async def steps():
        try:
            while True:
                await asyncio.sleep(0.005)
                work["steps"] += 1
                yield b"step\n"
        finally:
            work["state"] = "aborted"

    return StreamingResponse(steps())


# Not async: runs in Starlette's thread pool, where nothing tells it that the connection has closed.
@app.post("/reports/job")
def job(x_job_id: str = Header()):
    stop = stops[x_job_id] = threading.Event()
    work = state[x_job_id] = {"state": "running", "steps": 0}
    while not stop.wait(0.005):
        work["steps"] += 1
    work["state"] = "cancelled"
    return Response(status_code=410)


@app.delete("/jobs/{job_id}", status_code=204)
async def cancel(job_id: str):
    if job_id not in stops:
        raise HTTPException(404)
    stops[job_id].set()
    return Response(status_code=204)
