"""A web server inside somebody else's process: it leaves the signals alone and ends when it is told to."""

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn

LOOK_S = 0.005


class PromptServer(uvicorn.Server):
    """Ends at `end()`, and not at its next look a tenth of a second later."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._tick = asyncio.Event()

    def end(self) -> None:
        """Stop answering now."""
        self.should_exit = True
        self._tick.set()

    async def main_loop(self) -> None:
        """Keep the Date header current until told to end."""
        count = 0
        while not await self.on_tick(count):
            count = (count + 1) % 864_000
            self._tick.clear()
            alarm = asyncio.get_running_loop().call_later(0.1, self._tick.set)
            try:
                await self._tick.wait()
            finally:
                alarm.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let what is being answered be finished for as long as the configuration grants, and no pause beyond that."""
        for server in self.servers:
            server.close()
        for each in sockets or []:
            each.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        loop = asyncio.get_running_loop()
        end = loop.time() + (self.config.timeout_graceful_shutdown or 0)
        await asyncio.sleep(0)
        while (self.server_state.connections or self.server_state.tasks) and loop.time() < end:  # noqa: ASYNC110 - uvicorn tells it no other way
            await asyncio.sleep(LOOK_S)
        for task in self.server_state.tasks:
            task.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to whoever owns the process."""
        yield
