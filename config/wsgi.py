"""The WSGI application that the web server loads."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.wsgi import get_wsgi_application

from connector.proxies import TrustedProxies

application = TrustedProxies(get_wsgi_application())
