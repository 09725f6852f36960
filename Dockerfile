# One image for every process of the project; which one it is says its command. Two stages: what builds is left behind.
FROM python:3.11-slim-bookworm AS build
WORKDIR /source
RUN python -m venv /opt/jeonggi
COPY requirements.lock ./
RUN /opt/jeonggi/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN /opt/jeonggi/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
# A fixed number, so that a volume's owner does not change between builds. No home, no shell.
RUN groupadd --gid 10001 jeonggi \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin jeonggi \
    && install --directory --owner=10001 --group=10001 /data
COPY --from=build /opt/jeonggi /opt/jeonggi
ENV PATH=/opt/jeonggi/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /data
USER 10001:10001
CMD ["jeonggi", "--help"]
