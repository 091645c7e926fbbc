"""The kernel of ``millpond notebook``: the one that AWS publishes, whose session is given a job's arguments.

It stands alone in the environment of notebooks (:mod:`millpond.toolchain.notebook`).
"""

from __future__ import annotations

import json
import os
import traceback
from typing import Any

from aws_glue_interactive_sessions_kernel.glue_pyspark.GlueKernel import GlueKernel
from ipykernel.kernelapp import IPKernelApp

ARGUMENTS = "MILLPOND_NOTEBOOK_ARGUMENTS"


class Kernel(GlueKernel):
    """Starts its session as the job's, and fails a cell that did not run.

    AWS's own ends such a cell as one that did, so that what executes a notebook would go on.
    """

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        # The first cell shall not ask PyPI for a newer kernel.
        self.should_print_startup_text = False
        self.default_arguments.update(json.loads(os.environ.get(ARGUMENTS) or "{}"))
        self._faults: list[str] = []

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: dict[str, Any] | None = None,
        allow_stdin: bool = False,
    ) -> dict[str, Any]:
        """Run a cell; the content of its ``execute_reply``."""
        self._faults.clear()
        reply = await super().do_execute(code, silent, store_history, user_expressions, allow_stdin)
        if reply.get("status") != "error" and self._faults:
            reason = "\n".join([*self._faults, self._why()]).strip()
            error = {"ename": "SessionError", "evalue": reason, "traceback": [reason]}
            self.send_response(self.iopub_socket, "error", error)
            return {**reply, **error, "status": "error"}
        return dict(reply)

    def _why(self) -> str:
        """What Glue says of a session that has failed."""
        session = self.get_current_session() if self.get_session_id() else None
        return str(session.get("ErrorMessage") or "") if isinstance(session, dict) else ""

    def _send_error_output(self, output: Any) -> None:
        self._faults.append(str(output))
        super()._send_error_output(output)

    def _print_traceback(self, e: BaseException) -> None:
        self._faults.append("".join(traceback.format_exception_only(type(e), e)).strip())


if __name__ == "__main__":
    IPKernelApp.launch_instance(kernel_class=Kernel)
