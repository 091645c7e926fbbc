"""Hot reload: changed jobs and functions reach the running stack without a deployment.

A job run takes its script and libraries from the artifacts bucket when it starts, and a function its code
when it is updated; so both are put there as soon as a source changes, in both tiers. Terraform is not asked:
the next ``millpond deploy`` finds what it would have made itself, or puts it right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from watchfiles import DefaultFilter, watch

from lake import package
from millpond.base.config import CHECKOUT, Settings
from millpond.base.errors import MillpondError

if TYPE_CHECKING:
    from threading import Event

    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

WATCHED = ("glue_jobs", "lambdas")
_TICK_MILLISECONDS = 500


@dataclass(frozen=True)
class Reload:
    """What one change brought to the stack.

    Parameters
    ----------
    objects : tuple of str
        Keys in the artifacts bucket.
    functions : tuple of str
        Names of Lambda functions.
    error : MillpondError, optional
        Why nothing was brought: the source is in a state that cannot be packaged.
    """

    objects: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    error: MillpondError | None = None


class Reloader:
    """Brings what changed in a checkout to a stack.

    Parameters
    ----------
    settings : Settings
        The stack.
    s3, lambda_ : client
        Of the stack.
    outputs : mapping
        Terraform's outputs; ``buckets.artifacts`` is where packages are.
    checkout : Path
        Where ``glue_jobs`` and ``lambdas`` are.

    Raises
    ------
    MillpondError
        If nothing is deployed.
    """

    def __init__(
        self,
        settings: Settings,
        s3: S3Client,
        lambda_: LambdaClient,
        outputs: Mapping[str, Any],
        checkout: Path = CHECKOUT,
    ) -> None:
        if "buckets" not in outputs:
            raise MillpondError("Nothing is deployed that could be reloaded.", next_step="millpond deploy")
        self._settings = settings
        self._s3 = s3
        self._lambda = lambda_
        self._bucket: str = outputs["buckets"]["artifacts"]
        self._checkout = checkout
        self._directory = settings.state / "dev"
        self._known: Mapping[str, package.PackagedFile] = {}

    def reload(self) -> Reload:
        """Package everything and upload what differs from the last time; the first time, everything."""
        manifest = package.build(self._directory, self._checkout)
        changed = [name for name, file in manifest.files.items() if self._known.get(name) != file]
        functions = []
        for name in changed:
            self._upload(manifest.directory / name, name)
            if name.startswith("lambdas/"):
                function = f"{self._settings.prefix}-{Path(name).stem}"
                self._lambda.update_function_code(FunctionName=function, S3Bucket=self._bucket, S3Key=name)
                self._lambda.get_waiter("function_updated_v2").wait(
                    FunctionName=function, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
                )
                functions.append(function)
        self._known = manifest.files
        return Reload(tuple(changed), tuple(functions))

    def _upload(self, file: Path, key: str) -> None:
        """Replace an object and keep its tags, without which the next deployment would change it."""
        try:
            tags = self._s3.get_object_tagging(Bucket=self._bucket, Key=key)["TagSet"]
        except self._s3.exceptions.NoSuchKey:
            tags = []
        tagging = urlencode({tag["Key"]: tag["Value"] for tag in tags})
        self._s3.upload_file(str(file), self._bucket, key, ExtraArgs={"Tagging": tagging} if tags else None)

    def follow(self, stop: Event | None = None) -> Iterator[Reload]:
        """Reload now and after each change, until interrupted or ``stop`` is set."""
        yield self.reload()
        directories = [self._checkout / name for name in WATCHED]
        changes = watch(
            *directories,
            watch_filter=DefaultFilter(),
            stop_event=stop,
            rust_timeout=_TICK_MILLISECONDS,
            yield_on_timeout=True,
        )
        has_looked = False
        for changed in changes:
            # Once without a change: for what was saved before the watch began.
            if has_looked and not changed:
                continue
            has_looked = True
            try:
                done = self.reload()
            except MillpondError as error:
                yield Reload(error=error)
                continue
            if done.objects:
                yield done
