package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/internal/logtest"
)

func (n *fakeNode) installer() installer {
	return installer{
		host: n.host, key: []byte(testKey), fingerprint: testFingerprint,
		region: "eu-west-1", arch: "amd64",
		timeout: time.Minute, poll: 5 * time.Millisecond,
		systemd: func(context.Context, string, string, []string) error {
			n.t.Error("asked systemd")
			return nil
		},
		log: slog.New(slog.DiscardHandler),
	}
}

// systemd runs the command at once.
func (n *fakeNode) systemd(_ context.Context, socket, unit string, command []string) error {
	if want := n.path("/run/dbus/system_bus_socket"); socket != want || unit != unitName {
		n.t.Errorf("asked for %s at %s", unit, socket)
	}
	if output, err := n.run(strings.Join(command, " ")); err != nil {
		n.t.Logf("the script: %v\n%s", err, output)
	}
	return nil
}

// cron waits for the entry and runs it, as crond does within a minute.
func (n *fakeNode) cron() {
	n.process(812, "/usr/sbin/crond", "812")
	ctx := n.t.Context()
	done := make(chan struct{})
	n.t.Cleanup(func() { <-done })
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			entry, err := os.ReadFile(n.path(cronFile))
			if err == nil {
				command, found := strings.CutPrefix(string(entry), "* * * * * root ")
				if !found || strings.Count(command, "\n") != 1 || strings.Contains(command, "%") {
					n.t.Errorf("cron cannot read %q", entry)
				}
				if output, err := n.run(command); err != nil {
					n.t.Logf("the script: %v\n%s", err, output)
				}
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
}

func TestMend(t *testing.T) {
	boot := thisBoot(t)
	installs := strings.Join(append(upgraded, start...), "\n")
	starts := strings.Join(start, "\n")
	for _, tc := range []struct {
		name    string
		node    func(*fakeNode, *installer)
		calls   string
		wantErr string
	}{
		{"missing, systemd", func(n *fakeNode, i *installer) { i.systemd = n.systemd }, installs, ""},
		{"missing, crond", func(n *fakeNode, _ *installer) { n.cron() }, installs, ""},
		{
			"missing, crond in a container", func(n *fakeNode, i *installer) {
				n.process(812, "/usr/sbin/crond", "812\t17")
				i.systemd = n.systemd
			},
			installs, "",
		},
		{
			"stopped, systemd", func(n *fakeNode, i *installer) {
				n.write(packagePath, "")
				i.systemd = n.systemd
			},
			starts, "",
		},
		{
			"stopped, crond", func(n *fakeNode, _ *installer) {
				n.write(packagePath, "")
				n.cron()
			},
			starts, "",
		},
		{
			"a stopped snap", func(n *fakeNode, i *installer) {
				n.write(snapPath, "")
				i.systemd = n.systemd
			},
			"systemctl enable --now snap.amazon-ssm-agent.amazon-ssm-agent.service", "",
		},
		{
			"a stopped snap needs no rpm", func(n *fakeNode, i *installer) {
				n.write(snapPath, "")
				n.must(os.Remove(n.path("/usr/bin/rpm")))
				i.systemd = n.systemd
			},
			"systemctl enable --now snap.amazon-ssm-agent.amazon-ssm-agent.service", "",
		},

		// A pod died after it wrote the script and half of a file.
		{
			"died before it asked", func(n *fakeNode, i *installer) {
				n.scheduled(boot, agent{state: missing})
				n.write(stateDir+"/.signing-key.asc123", "half a k")
				i.systemd = n.systemd
			},
			installs, "",
		},
		// A pod died after it wrote the entry, before crond read it.
		{
			"died before crond came", func(n *fakeNode, _ *installer) {
				command := n.scheduled(boot, agent{state: missing})
				n.must(n.installer().writeFile(cronFile, cronEntry([]string{command}), 0o644))
				n.cron()
			},
			installs, "",
		},
		// A pod died while the script ran. The script is left alone.
		{
			"died during the script", func(n *fakeNode, _ *installer) {
				command := n.scheduled(boot, agent{state: missing})
				done := make(chan struct{})
				n.t.Cleanup(func() { <-done })
				go func() {
					defer close(done)
					if output, err := n.run(command); err != nil {
						n.t.Errorf("%v\n%s", err, output)
					}
				}()
				for claimed := false; !claimed; {
					var err error
					claimed, err = exists(n.path(claim(boot)))
					n.must(err)
				}
			},
			installs, "",
		},
		// The script died, or the node's disk was full.
		{
			"died without a result", func(n *fakeNode, i *installer) {
				n.must(os.Mkdir(n.path(claim(boot)), 0o700))
				i.timeout = 20 * time.Millisecond
			},
			"", "did not come to run within 20ms",
		},
		{
			"second run of the boot, after a success", func(n *fakeNode, i *installer) {
				n.write(claim(boot)+"/result", "done\n")
				i.timeout = 20 * time.Millisecond
			},
			"", "did not come to run within 20ms",
		},
		{
			"second run of the boot, after a failure", func(n *fakeNode, _ *installer) {
				n.write(claim(boot)+"/result", "failed: install the package\n")
			},
			"", "this boot's attempt failed to install the package",
		},
		{
			"a new boot, after a failure", func(n *fakeNode, i *installer) {
				n.write(claim("11111111-2222-3333-4444-555555555555")+"/result", "failed: install the package\n")
				i.systemd = n.systemd
			},
			installs, "",
		},
		{
			"wrong signature", func(n *fakeNode, i *installer) {
				n.serve("amazon-ssm-agent.rpm.sig", "[GNUPG:] BADSIG 2784DBF388D19D46 SSM Agent\n")
				i.systemd = n.systemd
			},
			strings.Join(verified, "\n"), "this boot's attempt failed to verify the signature with the key " + testFingerprint,
		},
		{
			"a node without rpm and gpg", func(n *fakeNode, _ *installer) {
				n.must(os.Remove(n.path("/usr/bin/rpm")))
				n.must(os.Remove(n.path("/usr/bin/gpg")))
			},
			"", "it has no gpg, rpm: use an image that ships the agent",
		},
		{"another architecture", func(_ *fakeNode, i *installer) { i.arch = "riscv64" }, "", "no RPM package of the agent for riscv64"},
		{"no boot_id", func(n *fakeNode, _ *installer) { n.must(os.RemoveAll(n.path("/proc/sys"))) }, "", "mount the node's /proc"},
		{
			"a boot_id that is none", func(n *fakeNode, _ *installer) {
				n.write("/proc/sys/kernel/random/boot_id", "; reboot\n")
			},
			"", "read the node's boot: invalid UUID",
		},
		{"no state folder", func(n *fakeNode, _ *installer) { n.must(os.RemoveAll(n.path(stateDir))) }, "", "mount the node's " + stateDir},
		{
			"no cron folder", func(n *fakeNode, _ *installer) {
				n.process(812, "/usr/sbin/crond", "812")
				n.must(os.RemoveAll(n.path("/etc/cron.d")))
			},
			"", "write " + cronFile + " on the node",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newNode(t)
			i := n.installer()
			tc.node(n, &i)
			found, err := n.agent()
			n.must(err)
			err = i.repair(t.Context(), found)
			if tc.wantErr == "" && err != nil || tc.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tc.wantErr)) {
				t.Errorf("error %v, want %q", err, tc.wantErr)
			}
			if got := strings.Join(n.calls(), "\n"); got != tc.calls {
				t.Errorf("calls:\n got %q\nwant %q", got, tc.calls)
			}
			// A second entry is crond's to remove, too.
			if err := logtest.Eventually(func() error {
				if entry := n.read(cronFile); entry != "" {
					return fmt.Errorf("left the entry %q", entry)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if found, _ := n.agent(); (found.state == running) != (err == nil) {
				t.Errorf("agent %+v, error %v", found, err)
			}
		})
	}
}

// Only root can change the installed files, because root runs them. Files that a script
// of this boot has created stay.
func TestPlacedFiles(t *testing.T) {
	n := newNode(t)
	n.write(claim(thisBoot(t))+"/amazon-ssm-agent.rpm", "half of the pack")
	n.write(stateDir+"/11111111-2222-3333-4444-555555555555/result", "done\n")
	n.scheduled(thisBoot(t), agent{state: missing})
	entries, err := os.ReadDir(n.path(stateDir))
	n.must(err)
	var got []string
	for _, entry := range entries {
		info, err := entry.Info()
		n.must(err)
		got = append(got, entry.Name()+" "+info.Mode().String())
	}
	slices.Sort(got)
	want := []string{thisBoot(t) + " drwxr-xr-x", "install.sh -rwx------", "signing-key.asc -rw-------"}
	slices.Sort(want)
	if !slices.Equal(got, want) || n.read(claim(thisBoot(t))+"/amazon-ssm-agent.rpm") == "" {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPackageURL(t *testing.T) {
	for _, tc := range []struct{ region, arch, want string }{
		{"eu-west-1", "amd64", testURL},
		{"us-gov-west-1", "arm64", "https://s3.us-gov-west-1.amazonaws.com/amazon-ssm-us-gov-west-1/latest/linux_arm64/amazon-ssm-agent.rpm"},
		{"cn-north-1", "amd64", "https://s3.cn-north-1.amazonaws.com.cn/amazon-ssm-cn-north-1/latest/linux_amd64/amazon-ssm-agent.rpm"},
	} {
		if got, err := packageURL(tc.region, tc.arch); err != nil || got != tc.want {
			t.Errorf("%s %s: got %s, %v", tc.region, tc.arch, got, err)
		}
	}
}
