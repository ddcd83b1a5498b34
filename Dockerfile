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

# The package itself, built where there may be a compiler: what counts pictures is C, and without one
# NumPy counts, more slowly.
FROM dependencies AS package
RUN command -v cc || { apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev; } \
    || echo "No C compiler can be installed: pictures are counted with NumPy."
COPY pyproject.toml README.md LICENSE ./
COPY model model/
COPY service service/
RUN /opt/standin/bin/python -m pip wheel --no-cache-dir --no-index --no-deps --no-build-isolation \
      --disable-pip-version-check --wheel-dir /wheel .

FROM ${BASE}
COPY --from=dependencies /opt/standin /opt/standin
COPY --from=package /wheel /tmp/wheel
# Installed, with its bytecode written now: at run time the image may be mounted read-only.
RUN /opt/standin/bin/python -m pip install --no-cache-dir --no-index --no-deps \
      --disable-pip-version-check /tmp/wheel/*.whl \
    && rm -rf /tmp/wheel \
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
