# syntax=docker/dockerfile:1
FROM node:22.21.1-trixie-slim AS pages

WORKDIR /build
COPY web/package.json web/package-lock.json web/.npmrc web/
RUN --mount=type=cache,target=/root/.npm npm --prefix web ci
COPY web web
RUN npm --prefix web run build


FROM python:3.13.12-slim-trixie AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/btcql
WORKDIR /build
COPY . .
COPY --from=pages /build/graphql_api/static graphql_api/static
# The wheel, and not the folder, is what runs: what it lacks is missed here and not by luck found in a checkout.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip wheel --no-deps --wheel-dir /wheels . \
    # With the lake in S3.
    && /opt/btcql/bin/python -m pip install --constraint constraints.txt "$(ls /wheels/*.whl)[s3]" \
    && /opt/btcql/bin/python -m pip check \
    && /opt/btcql/bin/python -m pip uninstall --yes pip


FROM python:3.13.12-slim-trixie

RUN groupadd --gid 10001 btcql \
    && useradd --uid 10001 --gid btcql --no-create-home --home-dir /var/lib/btcql --shell /usr/sbin/nologin btcql \
    # A new volume takes its owner from the folder that it is mounted on.
    && install --directory --owner=btcql --group=btcql --mode=0750 /var/lib/btcql /var/lib/lake /var/lib/luigi \
    # Nothing is installed into a running container.
    && python -m pip uninstall --yes --root-user-action=ignore pip
COPY --from=build /opt/btcql /opt/btcql
COPY --chmod=0755 deploy/btcql.sh /usr/local/bin/btcql
COPY --chmod=0755 deploy/luigid.sh /usr/local/bin/btcql-luigid

ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title=btcql \
    org.opencontainers.image.description="A GraphQL API of bitcoin prices, moving averages and forecasts" \
    org.opencontainers.image.licenses=MIT \
    org.opencontainers.image.version=$VERSION \
    org.opencontainers.image.revision=$REVISION

ENV VIRTUAL_ENV=/opt/btcql \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BTCQL_HOME=/var/lib/btcql \
    BTCQL_LAKE=/var/lib/lake
USER 10001:10001
WORKDIR /var/lib/btcql
EXPOSE 8000
# Of the API alone; docker-compose.yml gives the other services their own.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD ["/opt/btcql/bin/python", "-I", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=5)"]
CMD ["btcql", "serve", "--host", "0.0.0.0"]
