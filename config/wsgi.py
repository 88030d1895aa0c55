"""The WSGI application that the web server loads."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.wsgi import get_wsgi_application

from connector.proxies import TrustedProxies
from connector.unread import DEFAULT_THREADS, UnreadBodies
from processes.lifetime import die_with_parent
from processes.privacy import be_private

# Each of the web server's processes loads this; none may outlive the one that started it.
if os.environ.get("ARABICA_WEB_PID"):
    die_with_parent(parent_pid=int(os.environ["ARABICA_WEB_PID"]))

be_private()

# First what a proxy says: whose bodies are still arriving is counted by the caller's address.
application = TrustedProxies(
    UnreadBodies(
        get_wsgi_application(), threads=int(os.environ.get("ARABICA_WEB_THREADS", DEFAULT_THREADS))
    )
)
