# Two stages: the first builds, the second holds Python, the wheel and what the lock pins, and nothing that could install
# more. Every package of the locks has wheels for amd64 and arm64.

# A tag moves. To stand on the bytes that you have looked at: --build-arg PYTHON=python:3.13-slim-trixie@sha256:…
# (docker buildx imagetools inspect python:3.13-slim-trixie prints the digest, one for all platforms).
ARG PYTHON=python:3.13-slim-trixie

FROM ${PYTHON} AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ONLY_BINARY=:all: \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /source

# The locks come before the code: they change less often, so these layers are kept.
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/chargeback \
 && python -m pip --python /opt/chargeback/bin/python install --require-hashes --requirement requirements.lock

# The build backend comes from a lock, too, so that nothing without a known hash takes part in the build.
COPY requirements-build.lock ./
RUN python -m pip install --require-hashes --requirement requirements-build.lock

COPY pyproject.toml README.md LICENSE ./
COPY dashboards dashboards
COPY pipeline pipeline
COPY sql sql
RUN python -m pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
 && python -m pip --python /opt/chargeback/bin/python install --no-index --no-deps /wheels/*.whl


FROM ${PYTHON}

# Python's image brings pip, and Python the means to bring it back.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3.*/site-packages/* /usr/local/lib/python3.*/ensurepip

COPY --from=build /opt/chargeback /opt/chargeback
ENV PATH=/opt/chargeback/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

ARG PYTHON
ARG REVISION=unknown
LABEL org.opencontainers.image.title="emr-eks-chargeback" \
      org.opencontainers.image.description="What every Spark job on Amazon EMR on EKS cost" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="$PYTHON"

# By number, since Kubernetes cannot tell from a name that it is not root. All it needs to write to is /tmp.
USER 65532:65532
WORKDIR /tmp

ENTRYPOINT ["chargeback"]
CMD ["collect"]
