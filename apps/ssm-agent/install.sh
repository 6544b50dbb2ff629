#!/bin/bash
# Starts the SSM agent on this node, once per boot; main.go says when and how the node
# runs this script. Its output goes to the node's journal.
#
# Usage: install.sh BOOT UNIT [URL FINGERPRINT]
#
# BOOT is the boot_id for which it was made, UNIT the agent's systemd unit. With URL it
# first downloads the package from there and installs it, if URL.sig is a signature by the
# key with FINGERPRINT. The key is beside this script.
set -euo pipefail
umask 077
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin

boot=$1 unit=$2 url=${3-} fingerprint=${4-}
state=$(dirname "$0")
claim=$state/$boot
package=$claim/amazon-ssm-agent.rpm
# The current step, for the message of a failure: "failed to $step".
step="begin"

main() {
	# A boot that ended before cron or systemd ran it may have left it behind.
	[ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] || exit 0
	# Only one process can create the folder; a second one in the same boot stops here.
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

# GOODSIG rules out an expired or revoked key, which gpg's exit code does not. The last
# field of VALIDSIG is the key's fingerprint.
verify() {
	step="verify the signature with the key $fingerprint"
	export GNUPGHOME=$claim/gnupg
	mkdir "$GNUPGHOME"
	# A keyring that is made like this needs no gpg-agent; --import would start one.
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
