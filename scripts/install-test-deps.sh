#!/usr/bin/env bash
# Makes sure that what the tests start is installed: redis-server, PostgreSQL, make and a C compiler.
# Installs what is missing on Debian and its relatives; elsewhere it says what to install.
# The tests start their own servers, so no system service is started, and none is stopped.
set -euo pipefail

find_program() {
    command -v "$1" >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null
}

packages=()
find_program redis-server || packages+=(redis-server)
{ find_program postgres && find_program initdb; } || packages+=(postgresql)
find_program make || packages+=(make)
find_program cc || packages+=(gcc libc6-dev)
find_program setpriv || packages+=(util-linux)

if [ ${#packages[@]} -eq 0 ]; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "Please install ${packages[*]} (Debian's names) with this system's package manager, then try again." >&2
    exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "Please install ${packages[*]} as root (there is no sudo), then try again." >&2
        exit 1
    fi
    as_root=(sudo)
fi

# A package that is installed starts its service unless the system's policy forbids it. The policy
# says so only for this installation, and only where the system has none of its own.
policy=/usr/sbin/policy-rc.d
policy_is_ours=no
remove_policy() {
    if [ "$policy_is_ours" = yes ]; then
        "${as_root[@]}" rm -f "$policy"
    fi
}
trap remove_policy EXIT
if [ ! -e "$policy" ]; then
    policy_is_ours=yes
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
fi

echo "Installing ${packages[*]} for the tests."
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update --quiet
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --quiet --no-install-recommends "${packages[@]}"
