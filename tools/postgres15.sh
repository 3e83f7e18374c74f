#!/usr/bin/env bash
# Prints a folder with PostgreSQL 15's initdb, pg_ctl and postgres: Debian's own where they are installed, else unpacked
# from Debian's packages, without installing anything.    usage: tools/postgres15.sh     exit 77: they cannot be had here
#   HALOITSM_VENVS  where they are kept, beside the virtual environments (default: the user's cache directory)
set -euo pipefail

skip=77
place=usr/lib/postgresql/15/bin
say() { echo "postgres15.sh: $*" >&2; }

if [ -x "/$place/initdb" ]; then echo "/$place"; exit; fi

key=$({ cat "$0" /etc/os-release; uname -m; } | sha256sum | cut -c1-16)
home=${HALOITSM_VENVS:-${XDG_CACHE_HOME:-$HOME/.cache}/haloitsm-insightconnect}
kept=$home/postgresql-15-$key

# What apt-get would install for it and is not there yet: its own package, the one with its client's library, and further
# libraries. Not the compiler of queries (LLVM), which is the largest part and only makes long queries faster.
wanted() {
    LC_ALL=C apt-get install --simulate --no-install-recommends -o Debug::NoLocking=1 postgresql-15 2>/dev/null |
        sed -n 's/^Inst \([^ ]*\) .*/\1/p' | grep -E '^(postgresql-15|lib.*)$' | grep -vE '^lib(llvm|z3|perl|c-l10n)'
}

unpack() {
    packages=$(wanted) || packages=
    if [ -z "$packages" ]; then
        say "reading the lists of packages"
        if [ "$(id -u)" = 0 ]; then apt-get update -qq </dev/null >&2 || true; fi
        packages=$(wanted) || packages=
    fi
    if [ -z "$packages" ]; then say "this system's package lists have no postgresql-15"; exit $skip; fi
    say "unpacking postgresql-15 from Debian's packages (once; kept in $kept)"
    mkdir -p "$made/packages" "$made/root"
    # As root, apt-get complains that its own user cannot write here, and goes on.
    # shellcheck disable=SC2086  # a list of names
    (cd "$made/packages" && apt-get download -qq $packages) </dev/null >"$made/log" 2>&1 || {
        tail -3 "$made/log" >&2
        say "the packages of PostgreSQL 15 cannot be had"
        exit $skip
    }
    for package in "$made"/packages/*.deb; do dpkg-deb -x "$package" "$made/root"; done
    rm -rf "$made/packages" "$made/root/usr/lib/postgresql/15/lib/bitcode"
    # Without LLVM, PostgreSQL takes the lack of this file to mean that it compiles no queries.
    rm -f "$made/root/usr/lib/postgresql/15/lib/llvmjit.so"
    # Programs find each other and their files by their own place, and libraries by a variable.
    mkdir "$made/bin"
    for program in initdb pg_ctl postgres; do
        cat >"$made/bin/$program" <<'WRAPPER'
#!/bin/sh
root=$(dirname "$0")/../root
for folder in "$root"/usr/lib/*-linux-gnu* "$root"/lib/*-linux-gnu*; do
    if [ -d "$folder" ]; then LD_LIBRARY_PATH=$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}; fi
done
export LD_LIBRARY_PATH
exec "$root/usr/lib/postgresql/15/bin/$(basename "$0")" "$@"
WRAPPER
        chmod 755 "$made/bin/$program"
    done
}

if [ "$(command -v apt-get dpkg-deb | wc -l)" != 2 ]; then
    say "this is no Debian, and PostgreSQL 15 is not installed"
    exit $skip
fi
if [ ! -d "$kept" ]; then
    mkdir -p "$home"
    exec 9>"$home/.lock-postgresql-15-$key"
    command -v flock >/dev/null && flock 9
    if [ ! -d "$kept" ]; then # another process may have made it while this one waited
        made=$(mktemp -d "$kept.XXXXXX")
        trap 'rm -rf "$made"' EXIT
        chmod 755 "$made"
        set +e # which "||" would switch off inside as well
        (set -e && unpack)
        code=$?
        set -e
        if [ "$code" != 0 ]; then exit "$code"; fi
        mv "$made" "$kept"
    fi
fi
"$kept/bin/initdb" --version >&2 || { say "the programs in $kept do not run"; exit 1; }
echo "$kept/bin"
