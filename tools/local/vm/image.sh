#!/bin/sh
# Makes disk.img, vmlinuz and initrd.img in this folder: Debian 12 from Debian's packages, and nothing that the demo
# needs beside Go, git and make.
#   image.sh GOROOT
# apt.conf, go.env, environment and certificates/ in this folder are what the network of this machine asks for.
set -eu
mmdebstrap --quiet --variant=important --aptopt=apt.conf bookworm root --include=\
linux-image-amd64,systemd-sysv,systemd-resolved,apparmor,sudo,ca-certificates,curl,make,git,openssh-server

cp -a "$1" root/usr/local/go
cp go.env root/usr/local/go/go.env
echo 'export PATH=$PATH:/usr/local/go/bin' >root/etc/profile.d/go.sh
cat environment >>root/etc/environment
cp -r certificates/. root/usr/local/share/ca-certificates/
chroot root update-ca-certificates >/dev/null

chroot root useradd --create-home --shell /bin/bash user
echo 'user ALL=(ALL) NOPASSWD: ALL' >root/etc/sudoers.d/user
# Each run puts its own key into the disk; an emulated login takes its time.
printf 'AuthorizedKeysFile /authorized_keys\nLoginGraceTime 0\n' >root/etc/ssh/sshd_config.d/key.conf

echo debian >root/etc/hostname
echo '127.0.0.1 localhost debian' >root/etc/hosts
printf '[Match]\nName=en*\n[Network]\nDHCP=yes\n' >root/etc/systemd/network/en.network
ln -sf ../run/systemd/resolve/stub-resolv.conf root/etc/resolv.conf
chroot root systemctl --quiet enable systemd-networkd systemd-resolved
# A first boot would enable services that an installed Debian has off.
chroot root systemd-machine-id-setup

truncate -s 40G disk.img
mkfs.ext4 -qF -d root disk.img
cp root/boot/vmlinuz-* vmlinuz
cp root/boot/initrd.img-* initrd.img
rm -rf --one-file-system root
