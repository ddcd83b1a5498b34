# Standin on the CPU, as a user without rights, with nothing to write but /data and /tmp.
# The base is an argument so that a mirror, or a base that a house builds itself, can take its place.
ARG BASE=python:3.11-slim

FROM ${BASE} AS dependencies
WORKDIR /build
COPY requirements-torch.lock requirements.lock ./
COPY scripts/install.sh scripts/
# cpu, or another build of torch: see scripts/install.sh.
ARG TORCH=cpu
ARG PIP_INDEX_URL=
ARG PIP_FIND_LINKS=
RUN for name in PIP_INDEX_URL PIP_FIND_LINKS; do \
      eval "value=\${$name}"; [ -n "$value" ] || unset "$name"; \
    done; \
    PIP_NO_CACHE_DIR=1 TORCH="$TORCH" scripts/install.sh /opt/standin requirements.lock

FROM ${BASE}
COPY --from=dependencies /opt/standin /opt/standin
# Installed, with its bytecode written now: at run time the image may be mounted read-only.
COPY pyproject.toml README.md LICENSE /tmp/standin/
COPY model /tmp/standin/model
COPY service /tmp/standin/service
RUN /opt/standin/bin/python -m pip install --no-cache-dir --no-index --no-deps \
      --no-build-isolation --disable-pip-version-check /tmp/standin \
    && rm -rf /tmp/standin \
    && mkdir /data && chown 10001:10001 /data
COPY docker/healthcheck.py /opt/standin/

ENV PATH=/opt/standin/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    HF_HUB_OFFLINE=1 \
    STANDIN_HOST=0.0.0.0 \
    STANDIN_PORT=8000 \
    STANDIN_DATA_DIR=/data
# No STANDIN_ALLOW_UNAUTHENTICATED here: whoever runs the image decides who may reach it.
WORKDIR /data
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "/opt/standin/healthcheck.py"]
CMD ["standin"]
