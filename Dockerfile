# The worker and all other commands: docker run postpay, docker run postpay lag, …
FROM python:3.13.9-slim-bookworm AS build
WORKDIR /build
# What changes seldom comes first, so that a change of the code installs nothing anew.
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/build.txt \
 && python -m venv /opt/postpay \
 && /opt/postpay/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY cli cli
COPY console console
COPY contracts contracts
COPY demo demo
COPY devstack devstack
COPY docs docs
COPY operating operating
COPY settlement settlement
COPY storage storage
COPY words words
COPY workers workers
RUN /opt/build/bin/pip wheel --no-cache-dir --no-index --no-deps --no-build-isolation --wheel-dir /build/wheel . \
 && /opt/postpay/bin/pip install --no-cache-dir --no-index --no-deps /build/wheel/*.whl

FROM python:3.13.9-slim-bookworm
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin postpay
COPY --from=build /opt/postpay /opt/postpay
# Nothing is written at run time, so the file system may be read-only.
ENV PATH=/opt/postpay/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Whoever asks for a container's health or metrics comes from outside of it.
ENV POSTPAY_OPS__HOST=0.0.0.0
USER 10001:10001
WORKDIR /tmp
EXPOSE 6066
STOPSIGNAL SIGTERM
ENTRYPOINT ["postpay"]
CMD ["worker"]
