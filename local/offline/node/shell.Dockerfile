# A shell with the common commands, in 2 MB: what the storage provisioner makes and removes its folders with.
ARG BASE=debian:bookworm-slim
FROM $BASE AS tools
RUN apt-get update && apt-get install -y --no-install-recommends busybox-static
FROM scratch
COPY --from=tools /bin/busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
CMD ["/bin/sh"]
