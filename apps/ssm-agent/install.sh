#!/bin/bash
# Has the SSM agent run on this node, once per boot; main.go says when it is
# started and by whom. Everything that it prints is in the node's journal.
#
# Usage: install.sh BOOT UNIT [URL FINGERPRINT]
#
# BOOT is the boot_id that it was made for, UNIT the agent's. With URL it first
# installs the package from there, if URL.sig is a signature of it by the key
# with FINGERPRINT, which lies beside this script.
set -euo pipefail
umask 077
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin

boot=$1 unit=$2 url=${3-} fingerprint=${4-}
state=$(dirname "$0")
claim=$state/$boot
package=$claim/amazon-ssm-agent.rpm
# What it is doing, for the result of a failure: "failed to $step".
step="begin"

main() {
	# What was left by a boot that ended before it was due.
	[ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] || exit 0
	# Only one can make it: who else comes in this boot comes too late.
	mkdir "$claim" || exit 0
	trap finish EXIT

	if [ -n "$url" ] && ! rpm --query --quiet amazon-ssm-agent; then
		download
		verify
		step="install the package"
		rpm --upgrade "$package"
	fi
	step="start $unit"
	systemctl enable --now "$unit"
}

download() {
	step="download $url and its signature"
	fetch "$url" "$package"
	fetch "$url.sig" "$package.sig"
}

fetch() {
	curl --fail --silent --show-error --proto =https --retry 5 --retry-connrefused \
		--connect-timeout 10 --max-time 120 --output "$2" "$1"
}

# A status of GOODSIG rules out an expired or a revoked key, which gpg's exit
# code does not; the last field of VALIDSIG is the key's fingerprint.
verify() {
	step="verify the signature with the key $fingerprint"
	export GNUPGHOME=$claim/gnupg
	mkdir "$GNUPGHOME"
	# A keyring made like this needs no gpg-agent, which --import would start.
	gpg --batch --dearmor <"$state/signing-key.asc" >"$GNUPGHOME/key.gpg"
	gpg --batch --quiet --trust-model always --no-default-keyring --keyring "$GNUPGHOME/key.gpg" \
		--status-fd 3 --verify "$package.sig" "$package" 3>"$claim/status"
	grep --quiet '^\[GNUPG:\] GOODSIG ' "$claim/status"
	grep --quiet "^\[GNUPG:\] VALIDSIG .* $fingerprint\$" "$claim/status"
}

finish() {
	local code=$? result="done"
	[ "$code" = 0 ] || result="failed: $step"
	rm -rf "$package" "$package.sig" "$claim/gnupg"
	echo "$result" | tee "$claim/.result"
	mv "$claim/.result" "$claim/result"
}

main
