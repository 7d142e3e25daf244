#!/usr/bin/env bash
# run.sh [CUTS]: cuts the power of a real file system under the load of ../kill9 and checks what is on its disk. Needs Linux, root, loop
# devices and FUSE; its code is 77 where it cannot run. POWER_SEED=n repeats the choices of an earlier run, POWER_FILESYSTEM=xfs takes
# another file system than ext4.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

filesystem=${POWER_FILESYSTEM:-ext4}
cannot() {
    echo "power: cannot run here: $*" >&2
    exit 77
}
[[ $(uname) == Linux ]] || cannot "this is no Linux"
((EUID == 0)) || cannot "it mounts file systems and has to be root"
for device in /dev/fuse /dev/loop-control; do
    { : <>"$device"; } 2>/dev/null || cannot "there is no $device"
done
case $filesystem in
ext4) install_debian e2fsprogs=mkfs.ext4 ;;
xfs) install_debian xfsprogs=mkfs.xfs ;;
*) cannot "of file systems it knows ext4 and xfs" ;;
esac
for program in "mkfs.$filesystem" setpriv unshare cc; do
    command -v "$program" >/dev/null || cannot "there is no $program"
done
# Mounts and processes go with their namespaces, and the loop devices with the mounts, however the suite ends.
inside=(setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc)
"${inside[@]}" true || cannot "there are no namespaces of its own"

go build -C "$clients/kill9" -o "$target/power" .
cc -shared -fPIC -o "$target/forgetful.so" "$here/forgetful.c"
installed
server=$(mktemp -d "$target/server.XXXXXX")
export SHARDGATE_FLAGS="--limits off ${SHARDGATE_FLAGS:-}"
# In the background, for a signal to the suite to end it at once.
"${inside[@]}" "$target/power" -power "${1:-200}" -subject "$clients/subject" -server "$server" -seed "${POWER_SEED:-0}" \
    -filesystem "$filesystem" -shim "$target/forgetful.so" -keep "$target" &
trap 'code=$?; kill -KILL $! 2>/dev/null || true; wait || true; ((code == 1)) || rm -rf "$server"' EXIT
wait $!
