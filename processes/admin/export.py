"""Rows of a list as a CSV file, made whole before it is sent and no larger than is set here."""

import csv
import io
import tempfile
from collections.abc import Callable
from typing import IO, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from import_export.fields import Field
from import_export.resources import Resource

from processes.admin.csv_cells import make_cell

MAX_ROWS = 50_000
MAX_BYTES = 64 * 1024 * 1024
ROWS_AT_ONCE = 2_000


def column(title: Any, value: Callable[[Any], Any]) -> Field:
    """Return a column; `value` takes the row."""
    return Field(column_name=title, dehydrate_method=value)


class CsvResource(Resource):
    """The columns of a file. Subclasses list them; none holds a secret."""

    class Meta:
        chunk_size = ROWS_AT_ONCE


class CsvExport:
    """A list of the admin whose selected rows can be saved: those of the page or all it finds."""

    csv_resource: type[CsvResource]

    @admin.action(description=_("Save as CSV"), permissions=["view"])
    def save_as_csv(self: Any, request: HttpRequest, queryset: QuerySet[Any]) -> FileResponse:
        """Return the rows as a file."""
        return answer_csv(self.csv_resource(), queryset, name=self.opts.model_name)


def answer_csv(resource: CsvResource, rows: QuerySet[Any], *, name: str) -> FileResponse:
    """Return a file of `rows`, to be saved and never shown."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    write_csv(file, resource, rows)
    file.seek(0)
    return FileResponse(
        file,
        as_attachment=True,
        filename=f"{name}-{timezone.localtime():%Y-%m-%d-%H%M%S}.csv",
        content_type="text/csv; charset=utf-8",
    )


def write_csv(file: IO[bytes], resource: CsvResource, rows: QuerySet[Any]) -> None:
    """Write `rows` in the encoding that spreadsheets recognize; say in the last line what was cut."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(map(make_cell, resource.get_export_headers()))
    for number, row in enumerate(resource.iter_queryset(rows[: MAX_ROWS + 1])):
        if number == MAX_ROWS or file.tell() > MAX_BYTES:
            writer.writerow([_tell_cut(number)])
            break
        writer.writerow(map(make_cell, resource.export_resource(row)))
    text.detach()


def _tell_cut(number: int) -> str:
    told = _now(
        "Only the first %(number)d rows are here. Choose fewer with the filters of the list."
    )
    return told % {"number": number}
