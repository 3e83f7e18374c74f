#!/usr/bin/env bash
# Prints the directory of the virtual environment that holds exactly what requirements/NAME.txt locks, and makes it
# first when it is missing.    usage: tools/venv.sh NAME
#
# Environments lie outside the repository, because Rapid7's checksum walks the plugin's folder. The directory's name
# carries a hash of the lock file and of the interpreter: a changed lock is a new environment, never a changed one.
#   HALOITSM_VENVS  where they lie (default: the user's cache directory)
#   PYTHON          the interpreter to make them with (default: python3; rapid7: python3.11 where there is one)
set -euo pipefail
# Ctrl-C ends this script once the program that runs has ended; Python, which would write a traceback, does not see it.
trap 'exit 130' INT

name=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
lock=$root/requirements/$name.txt
[ -f "$lock" ] || { echo "venv.sh: no lock file requirements/$name.txt" >&2; exit 2; }

python=${PYTHON:-python3}
# Rapid7's generator pins packages of 2021 to 2023, which have no wheels for newer interpreters.
if [ "$name" = rapid7 ] && [ -x "$(command -v python3.11)" ] && (trap '' INT; exec python3.11 -c '') 2>/dev/null; then python=python3.11; fi

interpreter=$(trap '' INT; exec "$python" -c 'import sys; print(sys.version, sys.base_prefix, sys.platform)')
key=$({ echo "$interpreter"; cat "$lock"; } | sha256sum | cut -c1-16)
home=${HALOITSM_VENVS:-${XDG_CACHE_HOME:-$HOME/.cache}/haloitsm-insightconnect}
venv=$home/$name-$key

# The same for what takes long: it runs in a process group of its own, which Ctrl-C ends by SIGTERM.
quietly() {
    set -m
    "$@" &
    child=$!
    set +m
    trap 'kill -- "-$child"; wait "$child" || true; echo "venv.sh: stopped, nothing of $venv is left" >&2; exit 130' INT
    wait "$child"
}

if [ ! -f "$venv/.complete" ]; then
    mkdir -p "$home"
    exec 9>"$home/.lock-$name-$key"
    command -v flock >/dev/null && flock 9
    if [ ! -f "$venv/.complete" ]; then # another process may have made it while this one waited
        echo "venv.sh: installing requirements/$name.txt with $("$python" --version) into $venv" >&2
        rm -rf "$venv"
        trap 'rm -rf "$venv"' EXIT
        # Scripts in bin/ carry the directory in their first line, so it is filled in place; .complete is its commit.
        quietly "$python" -m venv "$venv" >&2 || {
            echo "venv.sh: $python cannot make virtual environments (Debian: apt-get install python3-venv)" >&2
            exit 1
        }
        quietly "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r "$lock" >&2
        touch "$venv/.complete"
        trap - EXIT
        trap 'exit 130' INT
    fi
fi
echo "$venv"
