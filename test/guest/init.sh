#!/bin/busybox sh
# The guest's first process: mounts what programs expect, loads the run's modules, runs /payload and switches off. The
# last line of output reports the payload's exit code to the rig. Files left in /out are sent to the rig.
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /out
/bin/busybox --install -s /bin
export PATH=/usr/bin:/bin HOME=/ TMPDIR=/tmp NO_COLOR=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for folder in /tmp /run /out; do mount -t tmpfs tmpfs "$folder"; done
stty -onlcr
for module in /modules/*; do insmod "$module" || echo "init: $module cannot be loaded"; done
ip link set lo up

# This is not Busybox's shell, which would run Busybox's ip and ping instead of those in the path.
/usr/bin/sh /payload </dev/null 2>&1
code=$?

for port in /sys/class/virtio-ports/*; do
  [ "$(cat "$port/name")" = out ] || continue
  (cd /out && find . -type f | sed 's,^\./,,' | cpio -o -H newc 2>/dev/null >"/dev/${port##*/}")
done
echo "guest: payload ended with $code"
poweroff -f
