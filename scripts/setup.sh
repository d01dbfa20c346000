# shellcheck shell=bash
# Sourced by ./test and ./demo: makes sure that everything a build needs is on this machine, and says what it installs.
# Nothing is touched where nothing is missing.

# Debian and Ubuntu. ca-certificates: cargo fetches crates over TLS. ffmpeg: tests compare with it. The -dev packages, clang and
# pkg-config: the bindings to libav.
APT_PACKAGES="ca-certificates build-essential pkg-config clang libclang-dev nasm ffmpeg
  libavcodec-dev libavformat-dev libavutil-dev libavfilter-dev libavdevice-dev libswscale-dev libswresample-dev"

other_platforms() {
    cat >&2 <<'TEXT'
Install these with your package manager, then run this again:
  Fedora (with RPM Fusion for x264 and x265):
    dnf install gcc pkgconf-pkg-config clang clang-devel nasm ffmpeg ffmpeg-devel
  Arch:
    pacman -S --needed base-devel pkgconf clang nasm ffmpeg
  macOS (Homebrew):
    brew install pkgconf llvm nasm ffmpeg
Windows is untested.
TEXT
}

have_libav() {
    pkg-config --exists libavcodec libavformat libavutil libavfilter libavdevice libswscale libswresample 2>/dev/null
}

have_tools() {
    for tool in cc pkg-config clang ffmpeg ffprobe; do
        command -v "$tool" >/dev/null 2>&1 || return 1
    done
}

install_with_apt() {
    local package missing="" sudo=""
    for package in $APT_PACKAGES; do
        dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        sudo="sudo"
        if ! command -v sudo >/dev/null 2>&1; then
            echo "setup: these packages are missing and there is no sudo; install them as root:$missing" >&2
            return 1
        fi
    fi
    echo "setup: installing with apt-get:$missing"
    # shellcheck disable=SC2086 # a list of names
    $sudo env DEBIAN_FRONTEND=noninteractive sh -c '
        apt-get update -qq </dev/null &&
        apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null' sh $missing
}

ensure_rust() {
    command -v cargo >/dev/null 2>&1 && return 0
    if [ -r "$HOME/.cargo/env" ]; then
        # shellcheck disable=SC1091 # written by rustup
        . "$HOME/.cargo/env"
        command -v cargo >/dev/null 2>&1 && return 0
    fi
    cat >&2 <<'TEXT'
setup: cargo is missing. Install Rust (1.95 or later) from https://rustup.rs:
  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c rustfmt -c clippy
TEXT
    return 1
}

# rustfmt and clippy, for the checks only.
ensure_lints() {
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && return 0
    if command -v rustup >/dev/null 2>&1; then
        echo "setup: adding the rustup components rustfmt and clippy"
        rustup --quiet component add rustfmt clippy && return 0
    fi
    echo "setup: rustfmt and clippy are missing; install them beside cargo" >&2
    return 1
}

ensure_setup() {
    ensure_rust || return 1
    if command -v apt-get >/dev/null 2>&1; then
        install_with_apt || return 1
    fi
    if ! have_tools || ! have_libav; then
        echo "setup: a C compiler, clang, pkg-config, ffmpeg or the development files of libav are missing." >&2
        other_platforms
        return 1
    fi
}
