#!/bin/sh
# Prints :FOLDER, the folder of a go to append to PATH if PATH has none. It is in the PATH
# of sudo's user, which sudo does not pass on, or where Go's tarball is usually unpacked.
#
# Usage: find-go.sh [GOROOT]   (/usr/local/go)

# sudo itself, the parent of make, has its user's environment.
path_of_user() {
	sudo=$(awk '$1 == "PPid:" { print $2 }' "/proc/$PPID/status") &&
		tr '\0' '\n' <"/proc/$sudo/environ" | sed -n 's/^PATH=//p'
}

folders() {
	if [ -n "$SUDO_USER" ]; then
		path_of_user 2>/dev/null | tr ':' '\n'
		home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
		[ -z "$home" ] || printf '%s\n' "$home/go/bin" "$home"/sdk/go*/bin
	fi
	echo "${1:-/usr/local/go}/bin"
}

folders "$@" | while IFS= read -r folder; do
	case $folder in
	/*) [ ! -x "$folder/go" ] || { echo ":$folder" && exit; } ;;
	esac
done
