# One image for web, beat, worker and prepare; compose.yaml says which is which.
FROM python:3.11.13-slim-bookworm AS packages
WORKDIR /opt/arabica
COPY requirements/production.txt requirements/
RUN python -m venv .venv \
 && .venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
    -r requirements/production.txt

FROM python:3.11.13-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/arabica --create-home arabica
WORKDIR /opt/arabica
COPY --from=packages /opt/arabica/.venv .venv
COPY . .
# The container's file system is read-only, so that nothing could be compiled later.
RUN .venv/bin/python -m compileall -q config connector processes scheduler manage.py
ENV PYTHONUNBUFFERED=1 VAR_DIR=/var/lib/arabica
USER arabica
EXPOSE 8000
CMD [".venv/bin/python", "manage.py", "web", "--processes", "2"]
