"""The stand-in as a process of its own that tests may kill."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import stripe

SECRET_KEY = "sk_test_sandbox_0123456789abcdefghij"
PUBLISHABLE_KEY = "pk_test_sandbox_0123456789abcdefghij"
WEBHOOK_SECRET = "whsec_sandbox_0123456789"
PATIENCE_SECONDS = 20.0


class SandboxProcess:
    """uvicorn with the stand-in, on a listening socket that this process keeps.

    So the port is free for certain, calls wait in the socket's queue while the process starts,
    and a restart keeps the address.
    """

    def __init__(self, store: Path, *, webhook_url: str = "", settle_seconds: int = 3600) -> None:
        self.store = store
        self._listener = socket.create_server(("127.0.0.1", 0))
        # uvicorn takes an inherited socket for a Unix one and does not set this; without it each call takes 40 ms.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._environment = {
            "PATH": os.environ["PATH"],
            "STRIPE_SECRET_KEY": SECRET_KEY,
            "STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
            "STRIPE_WEBHOOK_URL": webhook_url,
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "STRIPE_SANDBOX_STORE": str(store),
            "STRIPE_SANDBOX_SETTLE_SECONDS": str(settle_seconds),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE_SECONDS, trust_env=False)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.http.close()
        self._listener.close()

    def start(self) -> None:
        """Start the process; calls made before it is ready wait for it."""
        listener = self._listener.fileno()
        self._process = subprocess.Popen(
            [
                sys.executable,
                *("-m", "uvicorn", "--factory", "billing.sandbox.app:create_app"),
                *("--fd", str(listener), "--no-access-log", "--log-level", "warning"),
            ],
            env=self._environment,
            pass_fds=[listener],
        )

    def stop(self) -> None:
        """Stop it as Ctrl-C does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """`kill -9`: it gets no chance to tidy up."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def sdk(self, http_client: stripe.HTTPClient, *, retries: int = 0) -> stripe.StripeClient:
        """The official SDK with the secret key."""
        return stripe.StripeClient(
            SECRET_KEY,
            base_addresses={"api": self.url},
            http_client=http_client,
            max_network_retries=retries,
        )

    def post(self, path: str, key: str | None = SECRET_KEY, /, **headers: str) -> "Form":
        """A raw call; give the fields to what is returned: `post("/v1/customers")(name="Ada")`."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return Form(self.http, path, {**given, **({"Authorization": f"Bearer {key}"} if key else {})})

    def get(self, path: str, key: str | None = SECRET_KEY) -> httpx.Response:
        """A raw read."""
        return self.http.get(path, headers={"Authorization": f"Bearer {key}"} if key else {})

    def control(self, name: str, **fields: object) -> dict[str, Any]:
        """Use one of the controls under /_sandbox/."""
        response = self.post(f"/_sandbox/{name}")(**fields).raise_for_status()
        state: dict[str, Any] = response.json()
        return state

    def state(self) -> dict[str, Any]:
        """What the controls tell."""
        state: dict[str, Any] = self.get("/_sandbox").raise_for_status().json()
        return state


class Form:
    """A POST that wants only its fields."""

    def __init__(self, client: httpx.Client, path: str, headers: dict[str, str]) -> None:
        self._client, self._path, self._headers = client, path, headers

    def __call__(self, fields: dict[str, object] | None = None, /, **more: object) -> httpx.Response:
        """Send the fields form-encoded."""
        data = {name: str(value) for name, value in {**(fields or {}), **more}.items()}
        return self._client.post(self._path, data=data, headers=self._headers)
