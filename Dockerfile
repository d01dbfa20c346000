# Two images from one file, neither of which runs as root:
#   docker build --target cpu -t cleanplate .
#   docker build --target cuda -t cleanplate:cuda .    # NVDEC and NVENC through the driver of the host
#   docker run --rm -v "$PWD:/data" cleanplate remove in.mp4 -o out.mp4
#   docker run --rm --gpus all -v "$PWD:/data" cleanplate:cuda doctor

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        build-essential pkg-config clang libclang-dev nasm \
        libavcodec-dev libavformat-dev libavutil-dev libavfilter-dev libavdevice-dev libswscale-dev libswresample-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --locked --release -p cleanplate-cli \
    && strip target/release/cleanplate

FROM debian:bookworm-slim AS cpu
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libavcodec59 libavformat59 libavutil57 libswscale6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home cleanplate
COPY --from=build /src/target/release/cleanplate /usr/local/bin/cleanplate
USER 10001
WORKDIR /data
ENTRYPOINT ["cleanplate"]
CMD ["--help"]

# The driver's libraries come from the host when the container starts; without the video capability decoders and encoders are missing.
FROM cpu AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
