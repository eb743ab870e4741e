# The image holds the wheel and what the lock pins; whatever built them stays behind in the first stage.

FROM python:3.13-slim AS build

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
COPY requirements-dev.lock ./
RUN python -m pip install --require-hashes --requirement requirements-dev.lock

COPY pyproject.toml README.md LICENSE ./
COPY pipeline pipeline
COPY sql sql
RUN python -m build --wheel --no-isolation --outdir /wheels \
 && python -m pip --python /opt/chargeback/bin/python install --no-index --no-deps /wheels/*.whl


FROM python:3.13-slim

COPY --from=build /opt/chargeback /opt/chargeback
ENV PATH=/opt/chargeback/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# By number, since Kubernetes cannot tell from a name that it is not root.
USER 65532:65532
WORKDIR /tmp

ENTRYPOINT ["chargeback"]
CMD ["collect"]
