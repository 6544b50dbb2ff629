#!/bin/sh
# Prints the state of the machine that a local cluster must leave unchanged. Each fact is a
# line, and the order is fixed, so two runs print the same if nothing changed between them:
#
#   machine-state.sh CHECKOUT >before
#   ... make demo, make down ...
#   machine-state.sh CHECKOUT before >after && diff before after
#
# Run it as root. It reads /proc and /sys, and the firewall with nft or iptables-save. It
# does not list kernel modules, because those that were loaded meanwhile stay.
set -u
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
checkout=${1:?usage: machine-state.sh CHECKOUT [EARLIER]} earlier=${2:-}

# PID namespaces are the surest trace of a cluster, because all its processes are in one.
# A list of all processes would also have those that the machine's timers start. A zombie
# does not count.
processes() {
	set --
	for process in /proc/[0-9]*; do
		read -r stat 2>/dev/null <"$process/stat" || continue
		case $stat in *') Z '*) ;; *) set -- "$@" "$process/ns/pid" ;; esac
		case $(readlink "$process/exe") in
		*/sales-events-local/* | /run/sales-events*) echo "process $(readlink "$process/exe")" ;;
		esac
	done
	readlink "$@" | sort -u | sed 's/^/namespace /'
}

# The mounts of sessions and services come and go with them.
mounts() {
	sed -n 's/^/mount /p' /proc/self/mounts | grep -v -e ' /run/user/' -e ' /run/credentials/' | sort
}

network() {
	for link in /sys/class/net/*; do
		[ -d "$link" ] || continue # bonding_masters is a file
		for fact in address flags ifalias mtu; do
			echo "link ${link##*/} $fact $(cat "$link/$fact" 2>/dev/null)"
		done
	done
	awk '/\|--/ { address = $2 } /host LOCAL/ { print "address", address }' /proc/net/fib_trie | sort -u
	awk 'NR > 1 { print "route", $1, "to", $2 "/" $8, "via", $3 }' /proc/net/route | sort
	[ ! -e /proc/net/if_inet6 ] || awk '{ print "address", $6, $1 "/" $3 }' /proc/net/if_inet6 | sort
	[ ! -e /proc/net/ipv6_route ] || awk '{ print "route", $10, "to", $1 "/" $2, "via", $5 }' /proc/net/ipv6_route | sort -u
}

# The rules of the firewall, without their counters.
firewall() {
	if command -v nft >/dev/null; then
		nft -s list ruleset 2>&1
	elif command -v iptables-save >/dev/null; then
		iptables-save 2>&1 | sed -e '/^#/d' -e 's/ \[[0-9]*:[0-9]*\]//'
	fi | sed 's/^/firewall /'
}

# The root cgroups, those below them and those of containers, with the controllers that they
# enable for their children. Deeper cgroups and systemd's units come and go with their
# processes.
cgroups() {
	for group in /sys/fs/cgroup/ /sys/fs/cgroup/*/ /sys/fs/cgroup/*/*/ /sys/fs/cgroup/*/k8s.io/*/; do
		case $group in *.slice/* | *.scope/* | *.service/* | *.mount/* | *'*'*) continue ;; esac
		echo "cgroup $group $(cat "$group/cgroup.subtree_control" 2>/dev/null)"
	done
}

# Without counters, random numbers and the limit that perf lowers by itself. binfmt_misc
# mounts itself when it is read. A setting that EARLIER does not have came with a kernel
# module, such as nf_conntrack.
sysctls() {
	find /proc/sys -path /proc/sys/fs/binfmt_misc -prune -o -type f ! -path '/proc/sys/kernel/random/*' ! -path '/proc/sys/fs/quota/*' \
		! -name aio-nr ! -name dentry-state ! -name file-nr ! -name inode-nr ! -name inode-state \
		! -name nf_conntrack_count ! -name ns_last_pid ! -path /proc/sys/kernel/pty/nr \
		! -name hung_task_detect_count ! -name perf_event_max_sample_rate ! -name stat_refresh \
		-exec grep -s '' /dev/null {} + | sed 's/^/sysctl /' | sort |
		if [ -n "$earlier" ]; then
			awk -F : 'NR == FNR { had[$1] = 1; next } $1 in had' "$earlier" -
		else
			cat
		fi
}

apparmor() {
	profiles=/sys/kernel/security/apparmor/profiles
	[ ! -r $profiles ] || sort $profiles | sed 's/^/apparmor /'
}

# A demo creates report/, which must belong to the checkout's owner.
files() {
	owner=$(stat -c %u:%g "$checkout")
	find "$checkout" -path "$checkout/report" -prune -o -exec stat -c 'file %n %A %u:%g' {} + | sort
	[ ! -e "$checkout/report" ] || find "$checkout/report" -exec stat -c 'file %n %u:%g' {} + | grep -v " $owner\$"
	# The folders into which the programs write by default.
	for path in /etc/cni /etc/containerd /etc/kubernetes /opt/cni /opt/containerd /run/containerd /run/netns /run/sales-events* \
		/var/lib/cni /var/lib/containerd /var/lib/etcd /var/lib/kubelet /var/log/containers /var/log/pods /tmp/sales-events*; do
		[ ! -e "$path" ] || echo "path $path"
	done
}

processes
mounts
network
firewall
cgroups
sysctls
apparmor
files
