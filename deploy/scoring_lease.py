"""One scorer at a time, on whichever machine: a lease in the table of checkpoints, renewed by who holds it.

Two scorers would each go on from states that the other has changed. A lease ends by the clocks of those who ask for it,
which may differ by much less than `SECONDS`. It costs a write every ten seconds, whatever the load.

The function behind a stream takes none: it has one call at a time. `mlops` lets either it or a worker score.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

log = logging.getLogger(__name__)
SECONDS = 30.0  # after which a holder that said nothing more has it no longer
READER = "lease"  # in place of a reader's name in the table's key, `shard` being the application
_FREE = "attribute_not_exists(reader) OR holder = :holder OR expires_at < :now"


class HeldError(RuntimeError):
    """Another one has the lease; the message says who, and until when."""


class Holder(NamedTuple):
    name: str
    until: datetime

    @property
    def ended(self) -> bool:
        return self.until < datetime.now(UTC)


@dataclass(frozen=True)
class Lease:
    dynamodb: Any  # client
    table: str
    application: str
    holder: str  # in words, for the one who is refused; no two that may run at once have the same
    seconds: float = SECONDS
    clock: Callable[[], float] = time.time

    def hold(self) -> None:
        """Takes or renews it. Raises HeldError, ClientError."""
        now = self.clock()
        until = now + self.seconds
        try:
            self.dynamodb.put_item(
                TableName=self.table,
                Item={**self._key, "holder": {"S": self.holder}, "expires_at": {"N": f"{until:.3f}"}},
                ConditionExpression=_FREE,
                ExpressionAttributeValues={":holder": {"S": self.holder}, ":now": {"N": f"{now:.3f}"}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            other = found(self.dynamodb, self.table, self.application)
            said = f"{other.name} holds it until {other.until:%H:%M:%S} UTC" if other else "it was given up just now"
            raise HeldError(f"One scorer at a time: {said}. Stop that one, or try again then.") from None

    def give_up(self) -> None:
        """Where another one has it by now, that one keeps it. Raises ClientError."""
        try:
            self.dynamodb.delete_item(
                TableName=self.table,
                Key=self._key,
                ConditionExpression="holder = :holder",
                ExpressionAttributeValues={":holder": {"S": self.holder}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise

    @contextmanager
    def kept(self, lost: Callable[[], None]) -> Iterator[None]:
        """Renews it meanwhile and gives it up at a clean end. `lost` is called once when another one has taken it,
        from a stopped machine that was started again. A table that is away is waited for: nobody else gets it either.

        Raises HeldError, ClientError.
        """
        self.hold()
        ended = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(ended, lost), name="lease", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            ended.set()
            renewing.join()
        self.give_up()

    def _renew(self, ended: threading.Event, lost: Callable[[], None]) -> None:
        while not ended.wait(self.seconds / 3):
            try:
                self.hold()
            except HeldError as error:
                log.error("%s", error)
                lost()
                return
            except Exception as error:
                log.warning("The lease could not be renewed and is tried again: %s", error)

    @property
    def _key(self) -> dict[str, Any]:
        return {"reader": {"S": READER}, "shard": {"S": self.application}}


def found(dynamodb: Any, table: str, application: str) -> Holder | None:
    """Who has it, or had it last and did not give it up. Raises ClientError."""
    key = {"reader": {"S": READER}, "shard": {"S": application}}
    item = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
    return holder(item) if item else None


def holder(item: dict[str, Any]) -> Holder:
    """Of an item of the table."""
    return Holder(item["holder"]["S"], datetime.fromtimestamp(float(item["expires_at"]["N"]), UTC))
