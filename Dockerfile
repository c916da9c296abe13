# The production image: web and worker (and the one-shot migration) are the same image with another command.

FROM python:3.12.11-slim-bookworm AS build
WORKDIR /videothek
COPY requirements.lock requirements-dev.lock ./
RUN python -m venv /environment \
    && /environment/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements.lock
# Node comes from a wheel; these tools stay behind in this stage.
RUN python -m venv /tools \
    && /tools/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements-dev.lock
COPY . .
RUN /tools/bin/python -m store.web.frontend.build \
    && rm -rf store/web/frontend/node_modules requirements-dev.lock

FROM python:3.12.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home videothek
COPY --from=build /environment /environment
COPY --from=build /videothek /videothek
WORKDIR /videothek
ENV PATH=/environment/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["python", "-m", "store.server", "--host", "0.0.0.0"]
