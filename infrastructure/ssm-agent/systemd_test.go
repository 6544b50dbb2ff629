package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

func TestStartTransient(t *testing.T) {
	socket := startBus(t)
	systemd := &fakeSystemd{units: map[string][]string{}}
	systemd.serve(t, socket)
	command := []string{"/bin/bash", "/var/lib/install.sh", "boot"}
	for range 2 {
		if err := startTransient(t.Context(), socket, unitName, command); err != nil {
			t.Fatal(err)
		}
	}
	if got := systemd.started(); len(got) != 1 || !slices.Equal(got[unitName], command) {
		t.Errorf("units %q, want one of %q", got, command)
	}
	err := startTransient(t.Context(), socket, refused, command)
	if err == nil || !strings.Contains(err.Error(), "have systemd start "+refused+": ") {
		t.Errorf("got %v, want what was refused", err)
	}
}

func TestStartTransientWithoutBus(t *testing.T) {
	err := startTransient(t.Context(), filepath.Join(t.TempDir(), "none"), unitName, []string{"/bin/true"})
	if err == nil || !strings.Contains(err.Error(), "mount the node's /run/dbus") {
		t.Errorf("got %v, want what to mount", err)
	}
}

// startBus runs a message bus of the test's own and returns its socket.
func startBus(t *testing.T) string {
	t.Helper()
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("no dbus-daemon in PATH")
	}
	dir := t.TempDir()
	socket, file := filepath.Join(dir, "system_bus_socket"), filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, `<busconfig>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>`, socket), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(daemon, "--nofork", "--config-file="+file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if found, err := exists(socket); err == nil && found {
			return socket
		}
		if time.Now().After(deadline) {
			t.Fatal("dbus-daemon does not listen")
		}
	}
}

// fakeSystemd is as much of systemd's manager as starts transient units.
type fakeSystemd struct {
	mu    sync.Mutex
	units map[string][]string // what each runs
}

// refused is a unit that it does not start.
const refused = "refused.service"

func (s *fakeSystemd) started() map[string][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.units)
}

type (
	property struct {
		Name  string
		Value dbus.Variant
	}
	auxiliary struct {
		Name       string
		Properties []property
	}
)

func (s *fakeSystemd) serve(t *testing.T, socket string) {
	t.Helper()
	conn, err := dbus.Connect("unix:path=" + socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.Export(s, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName("org.freedesktop.systemd1", dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
}

// StartTransientUnit has systemd's signature, ssa(sv)a(sa(sv)) → o.
func (s *fakeSystemd) StartTransientUnit(name, _ string, properties []property, _ []auxiliary) (dbus.ObjectPath, *dbus.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == refused {
		return "", dbus.NewError("org.freedesktop.DBus.Error.AccessDenied", []any{"Permission denied"})
	}
	if _, found := s.units[name]; found {
		return "", dbus.NewError("org.freedesktop.systemd1.UnitExists", []any{"Unit " + name + " already exists."})
	}
	for _, p := range properties {
		if p.Name != "ExecStart" {
			continue
		}
		var commands []struct {
			Path             string
			Args             []string
			UncleanIsFailure bool
		}
		if err := p.Value.Store(&commands); err != nil {
			return "", dbus.MakeFailedError(err)
		}
		s.units[name] = commands[0].Args
	}
	return "/org/freedesktop/systemd1/job/1", nil
}
