# shellcheck shell=bash
# Functions for the scripts in this directory, which source this file.

# The root directory of the sources.
# shellcheck disable=SC2034 # the scripts that source this use it
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The packages of Debian 12 or 13 that the module, its tests and the demo need.
# shellcheck disable=SC2034 # the scripts that source this use it
packages=(
    apache2 apache2-dev libclang-dev gcc g++ libc6-dev
    tomcat10 tomcat10-examples libtomcat9-java
    curl jq openssl apache2-utils nghttp2-client binutils util-linux ca-certificates
    iproute2 nftables faketime gdb
    prometheus python3-prometheus-client
    debhelper dpkg-dev patch xz-utils git lintian
)

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "$*"
    exit 1
}

# Runs a command as root, with sudo if needed.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "not root and no sudo: cannot run $*"
    fi
}

# Any JDK is enough; installs the distribution's own if there is none.
need_jdk() {
    if ! command -v java >/dev/null || ! command -v javac >/dev/null; then
        need_packages default-jdk-headless
    fi
}

# flup, an AJP server in Python, which Debian does not have; for the tests alone, in a directory of its own.
need_flup() {
    local directory=$root/target/flup
    if [ -d "$directory/flup" ]; then
        return 0
    fi
    python3 -m pip --version >/dev/null 2>&1 || need_packages python3-pip
    say "installing flup to $directory"
    python3 -m pip --quiet install --no-deps --root-user-action ignore --target "$directory" flup==1.0.3 >&2 ||
        die "pip could not install flup"
}

# Whether there is a cargo that can build this; one that rustup has installed is put on the path.
has_cargo() {
    if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH=$HOME/.cargo/bin:$PATH
    fi
    local minor
    minor=$(cargo --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p') || true
    [ "${minor:-0}" -ge 85 ]
}

need_cargo() {
    has_cargo || die "cargo 1.85 or later is required: install Rust with rustup, then run this again"
}

# Where cargo builds, as an absolute path.
# shellcheck disable=SC2034 # the scripts that source this use it
target=${CARGO_TARGET_DIR:-$root/target}
case $target in
/*) ;;
*) target=$PWD/$target ;;
esac

# Builds the module into $target/release, with the arguments for cargo, as it is installed: optimised as a whole. `cargo build`
# optimises each crate alone, since its library is also one of Rust's, for the programs and the tests.
build_module() {
    # Both have this name, and cargo does not see that the other one was written over it.
    rm -f "$target/release/deps/libmod_proxy_ajp_rs.so"
    (cd "$root" && CARGO_TARGET_DIR=$target cargo rustc --release --package mod_proxy_ajp_rs --lib --crate-type cdylib "$@")
}

# Builds the module and the programs for use elsewhere, into $target/release, and their man pages and completions into
# its share. Neither paths of this machine nor the name of a registry are in them: panics and debug information name
# sources below /usr/src.
build_release() {
    local home=${CARGO_HOME:-$HOME/.cargo} source=/usr/src/mod_proxy_ajp_rs separator=$'\x1f' flags= registry
    remap() {
        flags+=${flags:+$separator}--remap-path-prefix=$1=$2
    }
    # Unpacks the crates, so that their directories are known.
    (cd "$root" && cargo fetch --quiet --locked)
    if [ -n "${CARGO_ENCODED_RUSTFLAGS:-}" ]; then
        flags=$CARGO_ENCODED_RUSTFLAGS
    elif [ -n "${RUSTFLAGS:-}" ]; then
        read -ra flags <<<"$RUSTFLAGS"
        flags=$(IFS=$separator && echo "${flags[*]}")
    fi
    # Of several that match, rustc takes the last.
    remap "$home" /usr/src/cargo
    for registry in "$home"/registry/src/*/; do
        [ ! -d "$registry" ] || remap "${registry%/}" /usr/src/crates
    done
    remap "$(rustc --print sysroot)/lib/rustlib/src/rust" /usr/src/rust
    remap "$root" "$source"
    remap "$target" "$source/target"
    (
        cd "$root"
        export CARGO_TARGET_DIR=$target CARGO_ENCODED_RUSTFLAGS=$flags
        export CFLAGS="${CFLAGS:-} -ffile-prefix-map=$root=$source"
        cargo build --locked --release --package mod_proxy_ajp_rs --package manuals --bins "$@"
        build_module --locked "$@"
    )
    rm -rf "$target/release/share"
    "$target/release/manuals" "$target/release/share"
}

# in_debian [--net] DIRECTORY COMMAND...: runs the command, as root and with nothing of this environment, in a Debian
# that debootstrap has made. It has a /proc, as Java asks for, which goes with the command; with --net, it has no network.
in_debian() {
    local network=
    if [ "$1" = --net ]; then
        network=--net
        shift
    fi
    as_root unshare --mount $network sh -c 'mount -t proc proc "$1/proc" && exec chroot "$@"' sh "$1" \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-}" "${@:2}"
}

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs those of the named packages that are missing. Their services are neither started nor enabled;
# services that were installed before are left alone.
need_packages() {
    local package policy missing=() services=()
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return 0
    fi
    say "installing ${missing[*]}"
    for package in apache2 tomcat10 prometheus; do
        is_installed "$package" || services+=("$package")
    done
    as_root apt-get -qq update
    # dpkg asks this file whether it may start a service; 101 means no. An existing file is left alone.
    policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ]; then
        policy=
    else
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    local result=0
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends -y "${missing[@]}" >&2 || result=$?
    if [ -n "$policy" ]; then
        as_root rm -f "$policy"
    fi
    [ "$result" -eq 0 ] || die "apt could not install ${missing[*]}"
    if command -v systemctl >/dev/null; then
        for package in "${services[@]}"; do
            as_root systemctl --quiet disable "$package" >/dev/null 2>&1 || true
        done
    fi
}

# unpack_packages DIRECTORY PACKAGE...: unpacks these packages (NAME or NAME=VERSION) into a directory of their own.
# Nothing is installed: for packages that cannot be beside what is there.
unpack_packages() {
    local directory=$1 new
    shift
    say "unpacking $* to $directory"
    new=$(mktemp -d)
    (
        cd "$new"
        # apt warns that it cannot use its own user in this directory.
        apt-get -qq download "$@" 2>errors || { cat errors >&2; exit 1; }
        for file in *.deb; do
            dpkg -x "$file" root || exit 1
        done
    ) || { rm -rf "$new"; die "apt could not download $*"; }
    mkdir -p "${directory%/*}"
    rm -rf "$directory"
    mv "$new/root" "$directory"
    rm -rf "$new"
}

# need_modules NAME...: modules of httpd from other projects (libapache2-mod-NAME). Their packages enable them, and
# what they need, in the system's httpd; that is undone here.
need_modules() {
    local name file enabled=/etc/apache2/mods-enabled before missing=()
    for name in "$@"; do
        is_installed "libapache2-mod-$name" || missing+=("libapache2-mod-$name")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return 0
    fi
    before=$(ls "$enabled" 2>/dev/null) || true
    need_packages "${missing[@]}"
    for file in "$enabled"/*.load; do
        name=$(basename "$file" .load)
        if [ -e "$file" ] && ! grep -qx "$name.load" <<<"$before"; then
            as_root a2dismod -q -f "$name" >&2
        fi
    done
}

# mod_jk, for comparison.
need_mod_jk() {
    need_modules jk
}

# Prints a port of 127.0.0.1 that is not in use, from a range that the kernel does not use for outgoing
# connections.
free_port() {
    local port
    for _ in $(seq 200); do
        port=$((10000 + RANDOM % 20000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return 0
        fi
    done
    die "no free port found"
}

# wait_until SECONDS COMMAND...: repeats the command until it succeeds; fails after this many seconds.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# Ends the process with this id: SIGTERM first, SIGKILL after 10 seconds.
stop_pid() {
    kill -TERM "$1" 2>/dev/null || return 0
    wait_until 10 eval "! kill -0 $1" || kill -KILL "$1" 2>/dev/null || true
}
