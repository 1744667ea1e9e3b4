# kube-proxy runs iptables and nft from its own image: these two, their plugins, and the libraries all of them load.
# A plugin without its library (libm for libxt_statistic) fails only when a Service has two endpoints: hence the trial.
ARG BASE=debian:bookworm-slim
FROM $BASE AS tools
RUN apt-get update && apt-get install -y --no-install-recommends iptables nftables
RUN set -e; lib=$(dirname /usr/lib/*-linux-gnu/xtables); mkdir -p "/image$lib" /image/usr/sbin /image/run /image/tmp /image/etc; \
    cd /usr/sbin; cp xtables-nft-multi nft /image/usr/sbin/; \
    for family in iptables ip6tables; do \
      for what in "" -save -restore; do ln -s xtables-nft-multi "/image/usr/sbin/$family$what"; done; \
    done; \
    cp -r "$lib/xtables" "/image$lib/"; \
    ldd ./xtables-nft-multi ./nft "$lib"/xtables/*.so | grep -o '=> /[^ ]*' | cut -c4- | sort -u \
      | xargs -I{} cp -L {} "/image$lib/"; \
    loader=$(ldd ./nft | grep -o '/lib[^ ]*/ld-linux[^ ]*'); mkdir -p "/image$(dirname "$loader")"; \
    cp -L "$loader" "/image$loader"; \
    [ -e /image/lib ] || ln -s usr/lib /image/lib; ln -s usr/sbin /image/sbin; \
    chroot /image /usr/sbin/iptables --version; \
    chroot /image /usr/sbin/iptables -m statistic -h >/dev/null; \
    chroot /image /usr/sbin/nft --version
FROM scratch
COPY --from=tools /image/ /
COPY kube-proxy /usr/local/bin/kube-proxy
ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
