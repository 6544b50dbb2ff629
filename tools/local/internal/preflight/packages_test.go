package preflight

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The needs that are missing on the table's machines, which have only Go, git and make.
var bare = needs[1:]

func TestAdvice(t *testing.T) {
	const source = "not installed: static libseccomp, which this distribution does not package: " +
		"build it from https://github.com/seccomp/libseccomp, with ./configure --enable-static"
	for name, test := range map[string]struct {
		release string
		missing []need
		want    []string
	}{
		"Debian": {"PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nID=debian\n", bare, []string{
			"not installed: nft, C compiler, static C library, static libseccomp: apt-get install -y --no-install-recommends nftables gcc libc6-dev libseccomp-dev",
		}},
		"Ubuntu":              {"ID=ubuntu\nID_LIKE=debian\n", needs[1:2], []string{"not installed: nft: apt-get install -y --no-install-recommends nftables"}},
		"one that is like it": {"ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", needs[:1], []string{"not installed: git: apt-get install -y --no-install-recommends git"}},
		"Fedora": {"ID=fedora\nVERSION_ID=42\n", bare, []string{
			"not installed: nft, C compiler, static C library, static libseccomp: dnf install nftables gcc glibc-static libseccomp-devel libseccomp-static",
		}},
		"Alpine": {"ID=alpine\n", bare, []string{
			"not installed: nft, C compiler, static C library, static libseccomp: apk add nftables gcc musl-dev linux-headers libseccomp-dev libseccomp-static",
		}},
		"Arch": {"ID=arch\n", bare, []string{source, "not installed: nft, C compiler, static C library: pacman -S --needed nftables gcc glibc"}},
		"openSUSE": {"ID='opensuse-tumbleweed'\nID_LIKE='opensuse suse'\n", bare, []string{
			source, "not installed: nft, C compiler, static C library: zypper install nftables gcc glibc-devel-static",
		}},
		"only what is not packaged": {"ID=manjaro\nID_LIKE=arch\n", needs[4:], []string{source}},
		"like Red Hat before Fedora": {"ID=rocky\nID_LIKE=\"rhel centos fedora\"\n", needs[1:2], []string{
			"not installed: nft: install them with the packages of this distribution",
		}},
		"unknown":          {"ID=nixos\n", bare, []string{"not installed: nft, C compiler, static C library, static libseccomp: install them with the packages of this distribution"}},
		"without a name":   {"", needs[:1], []string{"not installed: git: install them with the packages of this distribution"}},
		"nothing is amiss": {"ID=debian\n", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			known, err := distributions()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, err := range choose(known, test.release).advice(test.missing) {
				got = append(got, err.Error())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(test.want, "\n     "))
			}
		})
	}
}

// A distribution with a command has an answer for each need, and for nothing else.
func TestDistributionsAreComplete(t *testing.T) {
	known, err := distributions()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, d := range known {
		for _, id := range d.IDs {
			if seen[id] {
				t.Errorf("%s is there twice", id)
			}
			seen[id] = true
		}
		answers := 0
		for _, n := range needs {
			if (d.Packages[n.key] == "") == (d.Unpackaged[n.key] == "") && d.Install != "" {
				t.Errorf("%s: %s is met in no way or in two", d.IDs, n.key)
			}
			answers += len(d.Packages[n.key]) + len(d.Unpackaged[n.key])
		}
		for _, answer := range d.Packages {
			answers -= len(answer)
		}
		for _, answer := range d.Unpackaged {
			answers -= len(answer)
		}
		if answers != 0 {
			t.Errorf("%s has packages that nobody needs", d.IDs)
		}
	}
}

func TestThisDistribution(t *testing.T) {
	dir := t.TempDir()
	second := filepath.Join(dir, "usr-lib")
	if err := os.WriteFile(second, []byte("ID=fedora\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if d, err := thisDistribution(filepath.Join(dir, "none"), second); err != nil || !slices.Equal(d.IDs, []string{"fedora"}) {
		t.Errorf("is %v, error %v", d.IDs, err)
	}
	if d, err := thisDistribution(filepath.Join(dir, "none")); err != nil || d.Install != "" {
		t.Errorf("is %v, error %v", d.IDs, err)
	}
}

// write creates programs that are found before, or instead of, this machine's.
func write(t *testing.T, programs map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, script := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The calls of apt-get. The package lists are refreshed only if the installation fails
// without.
func TestInstall(t *testing.T) {
	const (
		install = "install -y --no-install-recommends nftables gcc libc6-dev libseccomp-dev -o DPkg::Lock::Timeout=300 noninteractive 1\n"
		update  = "update -o DPkg::Lock::Timeout=300 noninteractive 1\n"
	)
	for name, test := range map[string]struct {
		script, asked, err string
	}{
		"at once":   {"", install, ""},
		"after all": {`[ "$1" = update ] || [ -e "$DIR/updated" ] || exit 100; touch "$DIR/updated"`, install + update + install, ""},
		"without a network": {
			"echo 'E: Temporary failure resolving deb.example.com' >&2; exit 100", install + update,
			"apt-get update: exit status 100\nE: Temporary failure resolving deb.example.com\ninstall it yourself: apt-get install -y --no-install-recommends nftables gcc libc6-dev libseccomp-dev",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, map[string]string{"apt-get": `echo "$* $DEBIAN_FRONTEND $NEEDRESTART_SUSPEND" >>"$DIR/asked"; ` + test.script})
			t.Setenv("DIR", dir)
			t.Setenv("PATH", dir+":/usr/bin:/bin")
			known, err := distributions()
			if err != nil {
				t.Fatal(err)
			}
			var progress strings.Builder
			err = choose(known, "ID=debian").install(t.Context(), bare, &progress)
			if message := fmt.Sprint(err); message != test.err && (err != nil || test.err != "") {
				t.Errorf("error %s\nwant %s", message, test.err)
			}
			asked, _ := os.ReadFile(filepath.Join(dir, "asked"))
			if string(asked) != test.asked {
				t.Errorf("asked for\n%swant\n%s", asked, test.asked)
			}
			if want := "not installed: nft, C compiler, static C library, static libseccomp; installing: apt-get install"; !strings.HasPrefix(progress.String(), want) {
				t.Errorf("says %q", progress.String())
			}
		})
	}
}

func TestInstalls(t *testing.T) {
	apt, other := distribution{Update: "apt-get update"}, distribution{Install: "dnf install"}
	for _, test := range []struct {
		install string
		d       distribution
		want    bool
	}{{"", apt, true}, {"yes", apt, true}, {"no", apt, false}, {"yes", other, false}} {
		t.Setenv("INSTALL", test.install)
		if got := test.d.installs(); got != test.want {
			t.Errorf("INSTALL=%s, %v: %t", test.install, test.d, got)
		}
	}
}

// A library is missing if the compiler cannot link it, whichever packages are installed.
func TestMissing(t *testing.T) {
	links := func(what string) string { return `cat >"$DIR/source"; grep -q '` + what + `' "$DIR/source" || exit 1` }
	for name, test := range map[string]struct {
		programs map[string]string
		built    bool
		want     []string
	}{
		"nothing is there":              {nil, false, []string{"git", "nft", "cc", "libc", "libseccomp"}},
		"built engines need no builder": {nil, true, []string{"git", "nft"}},
		"iptables will do":              {map[string]string{"git": "", "iptables": ""}, true, nil},
		"everything":                    {map[string]string{"git": "", "nft": "", "gcc": ""}, false, nil},
		"a compiler alone":              {map[string]string{"git": "", "nft": "", "gcc": "exit 1"}, false, []string{"libc", "libseccomp"}},
		"no libseccomp":                 {map[string]string{"git": "", "nft": "", "gcc": links("stdlib")}, false, []string{"libseccomp"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, test.programs)
			tools := t.TempDir()
			for _, name := range []string{"cat", "grep"} {
				if err := os.Symlink("/bin/"+name, filepath.Join(tools, name)); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("DIR", dir)
			t.Setenv("PATH", dir+":"+tools)
			var got []string
			for _, n := range missing(context.Background(), compiler{"gcc"}, test.built) {
				got = append(got, n.key)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}
