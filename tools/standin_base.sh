#!/usr/bin/env bash
# Makes a stand-in for Rapid7's base image, for machines without a docker engine, and prints the buildah command (one
# word a line) whose storage holds it.    usage: tools/standin_base.sh IMAGE       exit 77: the packages cannot be had
#
# What it shares with the real one: Debian with Python 3.13, the pinned runtime (requirements/base.txt, by hash), the
# paths of the CA bundle in the environment. What it is not: Rapid7's. Nothing built on it may be released.
#   HALOITSM_VENVS  where it is kept, beside the virtual environments (default: the user's cache directory)
set -euo pipefail

image=$1
suite=trixie # the Debian release with Python 3.13, as in the base image since runtime 6.5.1
skip=77
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
lock=$root/requirements/base.txt
ca=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
say() { echo "standin_base.sh: $*" >&2; }

if [ "$(id -u)" != 0 ]; then say "no docker engine answers, and making a base image without one needs root"; exit 1; fi
if [ "$(command -v buildah debootstrap | wc -l)" != 2 ]; then
    say "installing buildah and debootstrap"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends buildah debootstrap; } </dev/null >&2 || {
        say "no docker engine answers, and the packages buildah and debootstrap cannot be had"
        exit $skip
    }
fi

# A change of the recipe, the lock or the name is another stand-in; an old one is never changed.
key=$(cat "$0" "$lock" - <<<"$image $suite $(uname -m)" | sha256sum | cut -c1-16)
home=${HALOITSM_VENVS:-${XDG_CACHE_HOME:-$HOME/.cache}/haloitsm-insightconnect}/standin-$key
tool=(buildah --root "$home/storage" --runroot "$home/run" --storage-driver vfs)
image_id() { "${tool[@]}" inspect --type image --format '{{.FromImageID}}' "$image" 2>/dev/null; }

make_base() {
    rm -rf "$home"
    mkdir -p "$home/context"
    trap 'rm -rf "$home"' EXIT
    say "making a stand-in for $image from Debian $suite (once; kept in $home)"
    # From here on a download that fails means that the distribution's packages cannot be had.
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-pip,python-is-python3 \
        "$suite" "$home/rootfs" </dev/null >"$home/debootstrap.log" 2>&1 || {
        tail -5 "$home/debootstrap.log" >&2
        if grep -qE 'Failed getting release|Invalid Release|Couldn.t download|Unable to (connect|fetch)' "$home/debootstrap.log"
        then say "the packages of Debian $suite cannot be had"; exit $skip; fi
        say "debootstrap failed"; exit 1
    }
    rm -rf "$home"/rootfs/var/cache/apt/* "$home"/rootfs/var/lib/apt/lists/*
    tar -C "$home/rootfs" --exclude './dev/*' --exclude './proc/*' --exclude './sys/*' -cf "$home/context/rootfs.tar" .
    rm -rf "$home/rootfs"
    cp "$lock" "$home/context/base.txt"
    cat >"$home/context/Containerfile" <<'RECIPE'
FROM scratch
ADD rootfs.tar /
ADD base.txt /tmp/base.txt
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt SSL_CERT_DIR=/etc/ssl/certs \
    REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore
RUN pip install --no-cache-dir --quiet --ignore-installed --require-hashes -r /tmp/base.txt && rm /tmp/base.txt
LABEL not-for-release="stand-in for Rapid7's base image"
RECIPE
    # The host's CA bundle is lent to the build, for networks whose proxy has an authority of its own; it stays outside.
    "${tool[@]}" bud --isolation chroot --format docker -v "$ca:/etc/ssl/certs/ca-certificates.crt:ro" \
        -t "$image" "$home/context" </dev/null >&2
    rm -rf "$home/context"
    image_id >"$home/.complete"
    trap - EXIT
}

mkdir -p "$(dirname "$home")"
exec 9>"$(dirname "$home")/.lock-standin-$key"
flock 9
# Whole and the one that was recorded, or made anew.
if [ ! -s "$home/.complete" ] || [ "$(image_id)" != "$(cat "$home/.complete")" ]; then make_base; fi
printf '%s\n' "${tool[@]}"
