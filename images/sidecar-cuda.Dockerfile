# The sidecar and its engine, for NVIDIA's GPUs. Built from the checkout, sources included:
#   docker build -f images/sidecar-cuda.Dockerfile -t pilotlight.dev/sidecar-cuda:dev .
# The libraries are those of packages/, but for LibTorch, which is contrib's for CUDA and brings NVIDIA's from non-free.
FROM docker.io/library/debian:trixie-slim AS base
RUN sed -i -E 's/^(Components: main|deb .* main)$/\1 contrib non-free/' \
      $(find /etc/apt -name '*.sources' -o -name sources.list)

# Debian's package of cuDNN is a script that fetches it from NVIDIA, and wants all of CUDA's development files beside
# it; PyPI has the same libraries. This is the version that PyTorch's own 2.6 is built with.
FROM base AS cudnn
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3-pip
RUN --mount=type=secret,id=ca \
    printf '%s\n' 'nvidia-cudnn-cu12==9.1.0.70 \' \
      '  --hash=sha256:165764f44ef8c61fcdfdfdbe769d687e06374059fbb388b6c89ecb0e28793a6f' >/cudnn.txt \
 && if [ -e /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
 && pip install --no-deps --require-hashes --no-cache-dir --target /cudnn -r /cudnn.txt
# To apt, what is there already: cuDNN, and the driver's library, which the node's container runtime mounts.
RUN mkdir -p /there/DEBIAN \
 && printf '%s\n' 'Package: pilotlight-cuda-there' 'Version: 1' 'Architecture: amd64' \
      'Maintainer: Pilotlight <nobody@pilotlight.dev>' 'Provides: libcuda.so.1 (= 550), nvidia-cudnn (= 9.1.0.70)' \
      'Description: cuDNN from PyPI, and the driver of the node' >/there/DEBIAN/control \
 && dpkg-deb --build /there /there.deb

FROM base AS build
COPY packages/build /packages
COPY --from=cudnn /there.deb /
RUN dpkg -i /there.deb && apt-get update \
 && sed 's/#.*//; /clang/d; s/\<libtorch-dev\>/libtorch-cuda-dev nvidia-cuda-toolkit/' /packages \
  | xargs apt-get install -y --no-install-recommends \
 && apt-get clean
COPY --from=cudnn /cudnn/nvidia/cudnn/lib/ /usr/lib/x86_64-linux-gnu/
COPY . /src
# ./dev lends its ccache: what was compiled before is not compiled again.
RUN export CCACHE_BASEDIR=/src CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros \
 && cmake -S /src --preset release -DPILOTLIGHT_PARTS=sidecar -DPILOTLIGHT_CUDA=ON -DBUILD_TESTING=OFF \
 && cmake --build /src/build/release

FROM base
COPY packages/sidecar /packages
COPY --from=cudnn /there.deb /
RUN dpkg -i /there.deb && apt-get update \
 && sed 's/#.*//; s/\<libtorch2.6\>/libtorch-cuda-2.6/' /packages | xargs apt-get install -y --no-install-recommends \
 && rm -rf /there.deb /packages /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/*.log \
      /var/log/apt /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /usr/share/info/*
COPY --from=cudnn /cudnn/nvidia/cudnn/lib/ /usr/lib/x86_64-linux-gnu/
COPY --from=build /src/build/release/bin/pilotlight-sidecar /src/build/release/bin/pilotlight-engine /usr/local/bin/
# A library that the list lacks should fail here, not in somebody's cluster.
RUN ! ldd /usr/local/bin/pilotlight-sidecar /usr/local/bin/pilotlight-engine | grep 'not found'

USER 65532:65532
ENTRYPOINT ["/usr/local/bin/pilotlight-sidecar"]
