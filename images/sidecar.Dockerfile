# The sidecar and its engine, for CPUs. Built from the checkout, after `./dev build release`:
#   docker build -f images/sidecar.Dockerfile -t pilotlight.dev/sidecar:dev .
FROM docker.io/library/debian:trixie-slim

COPY packages/sidecar /packages
RUN apt-get update \
 && sed 's/#.*//' /packages | xargs apt-get install -y --no-install-recommends \
 && rm -rf /packages /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/*.log /var/log/apt \
      /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /usr/share/info/*

COPY build/release/bin/pilotlight-sidecar build/release/bin/pilotlight-engine /usr/local/bin/
# A library that the list lacks should fail here, not in somebody's cluster.
RUN ! ldd /usr/local/bin/pilotlight-sidecar /usr/local/bin/pilotlight-engine | grep 'not found'

USER 65532:65532
ENTRYPOINT ["/usr/local/bin/pilotlight-sidecar"]
