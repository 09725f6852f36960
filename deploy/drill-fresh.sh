#!/bin/sh
# Does one command still do it on a fresh machine? Clone the last commit into an empty folder, with an empty home and
# an empty environment, run `make up` until all work is done and `make test`: as ourselves, and from root also as an
# ordinary user.
set -eu
repository=$(cd "$(dirname "$0")/.." && pwd -P)
nobody=65534

# What tells pip where packages come from belongs to the machine, not to its user.
keep=$(env | sed -n 's/^\(PIP_[A-Z_]*\|SSL_CERT_[A-Z]*\|[a-zA-Z]*_proxy\|[A-Z]*_PROXY\)=.*/\1/p')

drill() {
    who=$1
    shift
    # Below /var/tmp: a folder that an ordinary user can enter, on a disk rather than in memory.
    folder=$(mktemp -d /var/tmp/jeonggi-drill-XXXXXX)
    trap 'rm -rf "$folder"' EXIT INT TERM
    chmod 755 "$folder"
    git clone --quiet "$repository" "$folder/jeonggi"
    mkdir "$folder/home"
    if [ "$who" = ordinary ]; then
        chown -R "$nobody:$nobody" "$folder"
    fi
    set -- "$@" env -i HOME="$folder/home" PATH="$PATH" LC_ALL=C.UTF-8
    for name in $keep; do
        set -- "$@" "$name=$(printenv "$name")"
    done
    echo "== as $who, in $folder"
    (
        cd "$folder/jeonggi"
        "$@" make up UP_ARGS=--until-idle
        "$@" make test
    )
    rm -rf "$folder"
    trap - EXIT INT TERM
}

# WHO=root or WHO=ordinary drills one of both.
if [ "$(id -u)" = 0 ]; then
    if [ "${WHO:-root}" = root ]; then drill root; fi
    if [ "${WHO:-ordinary}" = ordinary ]; then drill ordinary setpriv "--reuid=$nobody" "--regid=$nobody" --clear-groups; fi
else
    drill "$(id -un)"
    echo "Not root: the part as root was left out."
fi
echo "A fresh machine works."
