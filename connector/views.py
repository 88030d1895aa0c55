"""The connector API: start a process, ask for its status."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from connector import documentation
from connector.body import read_body
from connector.exceptions import InvalidRequest
from connector.idempotency import read_key, start_once
from connector.identities import Identity
from connector.negotiation import JsonOnly
from connector.parsing import parse_object
from connector.rates import ClientRate
from connector.serializers import StartSerializer
from connector.starting import Start, check_start
from connector.status import read_status
from processes.secrets import mask

SAVED = "Process saved"
# Who sends one of these would be surprised by a real run.
DRY_RUN = "dryRun"
LIKE_DRY_RUN = re.compile(r"\W{0,9}dry[-_ ]?run\W{0,9}", re.IGNORECASE)


class ProcessViewSet(ViewSet):
    """Starts and status calls; both answer JSON with a readable `message`, whatever happens."""

    http_method_names = ["get", "head", "post"]
    # The body is read by the view, after the credentials are checked, with limits of its own.
    parser_classes = []
    content_negotiation_class = JsonOnly
    throttle_classes = [ClientRate]

    @documentation.start
    @action(detail=False, methods=["post"])
    def start(self, request: Request) -> Response:
        """Start a process now, once at `startDate`, or by the plan of `quartzDef`."""
        dry_run, key = _wants_dry_run(request), read_key(request.META)
        body, identity = read_body(request._request), _identity(request)
        if dry_run:
            return Response(_describe(_check(body, identity)))
        if key is None:
            start = _check(body, identity)
            return _answer(start.save(identity), start.warnings)
        started = start_once(key, body, identity, check=_check)
        headers = {"Idempotent-Replayed": "true"} if started.is_replayed else {}
        return _answer(started.robusta_spid, started.warnings, headers)

    @documentation.status
    @action(detail=False, methods=["get"])
    def status(self, request: Request, robusta_spid: str) -> Response:
        """Tell where a transaction stands; its outputs once it has SUCCEEDED."""
        return Response(read_status(robusta_spid, _identity(request)))


def _identity(request: Request) -> Identity:
    identity: Identity = request.user  # type: ignore[assignment]
    return identity


def _check(text: bytes, identity: Identity) -> Start:
    body = parse_object(text)
    serializer = StartSerializer(data=body.fields)
    serializer.is_valid(raise_exception=True)
    fields = serializer.validated_data
    return check_start(fields | {"warnings": body.warnings + fields["warnings"]}, identity)


def _answer(
    robusta_spid: UUID, warnings: list[str], headers: Mapping[str, str] | None = None
) -> Response:
    answer: dict[str, Any] = {"robustaSpid": str(robusta_spid), "message": SAVED}
    if warnings:
        answer["warnings"] = warnings
    return Response(answer, headers=headers)


def _wants_dry_run(request: Request) -> bool:
    """Tell whether nothing is to be started; a mistyped or doubtful wish to try is refused."""
    for key in filter(LIKE_DRY_RUN.fullmatch, request.query_params):
        if key != DRY_RUN:
            raise InvalidRequest.on(
                key, f"{key!r} is not a parameter of this call; did you mean {DRY_RUN!r}?"
            )
    texts = request.query_params.getlist(DRY_RUN) or ["false"]
    if len(texts) > 1 or texts[0] not in {"true", "false"}:
        raise InvalidRequest.on(DRY_RUN, f"{DRY_RUN} takes true or false, once.")
    return texts[0] == "true"


def _describe(start: Start) -> dict[str, Any]:
    worker = start.resolved_worker
    return {
        "message": "Nothing was started: this was a dry run.",
        "plan": start.timing.describe(),
        "fireTimes": [moment.isoformat() for moment in start.timing.fire_times()],
        "worker": worker.pk if worker else None,
        "values": mask(start.values),
        "warnings": start.warnings,
    }
