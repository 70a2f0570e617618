"""A web service of your own with FastAPI: sound comes in over a WebSocket, labels go back.

    uvicorn --app-dir examples web_service:app
    # then send 16-bit mono sound at 16 kHz in binary messages to ws://127.0.0.1:8000/mood,
    # and an empty message at the end

`livemood serve` does this too, with tokens, storage and limits. Use this shape when livemood is one
part of a service that you already have.
"""

import asyncio

import numpy as np
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

import livemood

app = FastAPI()


@app.websocket("/mood")
async def mood(socket: WebSocket) -> None:
    """One session for each connection. All of them share one thread that reads."""
    await socket.accept()
    session = livemood.Session(rate=16000, background=True)
    answering = asyncio.create_task(answer(socket, session))
    try:
        while sound := await socket.receive_bytes():
            session.push(np.frombuffer(sound, np.int16))
    except WebSocketDisconnect:
        answering.cancel()
    finally:
        await asyncio.to_thread(session.finish)
    if not answering.cancelled():
        await answering
        await socket.close()


async def answer(socket: WebSocket, session: livemood.Session) -> None:
    """Send each reading as soon as it is there."""
    async for event in session:
        if event.type == "emotion":
            await socket.send_json({"ms": event.end_ms, "label": event.label})
