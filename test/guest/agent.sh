#!/bin/busybox sh
# The first process of a controlled guest. It sets up a small system, and then executes the commands that the rig sends
# over the ports ferrule.0, ferrule.1, ... of a virtio serial device. A request is a line "ID SECONDS
# COMMAND-IN-BASE64". The reply is a line "ID EXIT STDOUT-BYTES STDERR-BYTES", followed by these bytes. With "shell" on
# the kernel's command line, a person gets a shell on the console instead.
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /sbin /etc
/bin/busybox --install -s /bin
# The shell is dash, because Busybox's shell would run Busybox's ip, timeout and so on instead of the programs in the
# path.
ln -sf /usr/bin/dash /bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C TERM=linux
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts "$HOME"
mount -t devpts devpts /dev/pts
for folder in /tmp /run; do mount -t tmpfs tmpfs "$folder"; done
for name in modprobe insmod rmmod lsmod modinfo; do ln -sf /usr/bin/kmod "/sbin/$name"; done
ln -sf /proc/mounts /etc/mtab
echo "root:x:0:0:root:/root:/bin/sh" >/etc/passwd
hostname guest
/usr/bin/ip link set lo up
# The kernel must send nothing of its own accord: no router solicitations, no duplicate address detection.
for of in all default; do
  echo 0 >/proc/sys/net/ipv6/conf/$of/router_solicitations
  echo 0 >/proc/sys/net/ipv6/conf/$of/accept_dad
done

if grep -qw shell /proc/cmdline; then
  console="/dev/$(cat /sys/class/tty/console/active)"
  setsid -c /bin/sh -l <"$console" >"$console" 2>&1
  poweroff -f
fi

serve() {
  exec 3<>"/dev/$1"
  at="/run/$1"
  echo "ready" >&3
  while read -r id seconds command <&3; do
    echo "$command" | base64 -d >"$at"
    /usr/bin/timeout -k 1 "$seconds" /bin/sh "$at" >"$at.out" 2>"$at.err" </dev/null
    code=$?
    echo "$id $code $(stat -c %s "$at.out") $(stat -c %s "$at.err")" >&3
    cat "$at.out" "$at.err" >&3
    rm -f "$at" "$at.out" "$at.err"
  done
}

ports=$(sed 's/.*ports=\([0-9]*\).*/\1/' /proc/cmdline)
# If there is a virtio IOMMU, no other device starts until its driver is loaded.
modprobe -q virtio_iommu
modprobe virtio_pci
modprobe virtio_console
# The first process reaps orphans and does not end. When the ports have gone, as around a suspend, it waits for new ones.
while true; do
  until [ "$(ls /sys/class/virtio-ports 2>/dev/null | wc -l)" -ge "$ports" ]; do sleep 0.01; done
  for port in /sys/class/virtio-ports/*; do
    serve "${port##*/}" &
    echo $! >>/run/serving
  done
  wait
done
