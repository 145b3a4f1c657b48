# The operator. Built from the checkout, after `./dev build release`:
#   docker build -f images/operator.Dockerfile -t pilotlight.dev/operator:dev .
FROM docker.io/library/debian:trixie-slim

COPY packages/operator /packages
RUN apt-get update \
 && sed 's/#.*//' /packages | xargs apt-get install -y --no-install-recommends \
 && rm -rf /packages /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/*.log /var/log/apt \
      /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /usr/share/info/*

COPY build/release/bin/pilotlight-operator /usr/local/bin/
# A library that the list lacks should fail here, not in somebody's cluster.
RUN ! ldd /usr/local/bin/pilotlight-operator | grep 'not found'

USER 65532:65532
ENTRYPOINT ["/usr/local/bin/pilotlight-operator"]
