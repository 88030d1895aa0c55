"""The columns of API clients as CSV; passwords are stored nowhere, their digests are left out."""

from django.utils.translation import gettext_lazy as _

from processes.admin.export import CsvResource, column


class ApiClientExport(CsvResource):
    """The systems that may call the connector API."""

    name = column(_("user name"), lambda client: client.name)
    description = column(_("description"), lambda client: client.description)
    enabled = column(_("enabled"), lambda client: client.enabled)
    expires_at = column(_("expires at"), lambda client: client.expires_at)
    applications = column(_("applications"), lambda client: client.application_count)
    process_models = column(_("process models"), lambda client: client.process_model_count)
    workers = column(_("workers"), lambda client: client.worker_count)
    networks = column(_("allowed networks"), lambda client: ", ".join(client.allowed_networks))
    rate_limit = column(_("requests a minute"), lambda client: client.rate_limit)
    created_at = column(_("created at"), lambda client: client.created_at)
    last_used_at = column(_("last used at"), lambda client: client.last_used_at)
