# Ollama from its Go module, for machines with access to package indexes but neither to its downloads nor to a container
# registry. CPUs only; for GPUs use the published ollama/ollama, which has the same entry point, port and folders.
#
#   make images                  builds the program too; its folder is the build context
#
ARG BASE=docker.io/library/debian:bookworm-20261005-slim@sha256:7c7b2c966bc9ee8cedfeef67e0e279108992c77681fa595db4a9d65c06ccc587

FROM ${BASE} AS program
RUN apt-get update && apt-get install -y --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
COPY ollama /program/ollama
RUN strip /program/ollama

FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libstdc++6 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log /var/log/alternatives.log \
 && groupadd --gid 10001 speech \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin speech \
 && install -d -o 10001 -g 10001 /cache
COPY --from=program /program/ollama /usr/bin/ollama
# A program built on a newer system than BASE fails here instead of in the cluster.
RUN ollama --version
# OLLAMA_HOST: without a host, it listens on IPv6 and IPv4. OLLAMA_NOPRUNE: a restart keeps partial downloads.
ENV OLLAMA_HOST=:11434 OLLAMA_MODELS=/cache/models OLLAMA_NOPRUNE=1 HOME=/tmp
USER 10001:10001
EXPOSE 11434
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s CMD ["ollama", "list"]
ENTRYPOINT ["/usr/bin/ollama"]
CMD ["serve"]
ARG VERSION=dev
LABEL org.opencontainers.image.title="Ollama" \
      org.opencontainers.image.description="Ollama, built from its Go module for CPUs" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
