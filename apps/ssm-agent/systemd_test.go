package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

func TestStartTransient(t *testing.T) {
	systemd := &fakeSystemd{units: map[string][]string{}}
	socket := systemd.serve(t)
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

// fakeSystemd is the part of systemd's manager that starts transient units.
type fakeSystemd struct {
	mu    sync.Mutex
	units map[string][]string // the command of each unit
}

// refused is the name of a unit that it refuses to start.
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

// serve listens as a message bus with systemd on it and returns its socket.
func (s *fakeSystemd) serve(t *testing.T) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "system_bus_socket")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var connections sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		connections.Wait()
	})
	connections.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Go(func() {
				defer conn.Close()
				if err := s.converse(conn); err != nil && !errors.Is(err, io.EOF) {
					t.Errorf("the bus: %v", err)
				}
			})
		}
	})
	return socket
}

// converse handles one client as the bus does, see
// https://dbus.freedesktop.org/doc/dbus-specification.html
func (s *fakeSystemd) converse(conn net.Conn) error {
	in := bufio.NewReader(conn)
	if err := authenticate(in, conn); err != nil {
		return err
	}
	for serial := uint32(1); ; serial++ {
		call, err := dbus.DecodeMessage(in)
		if err != nil {
			return err
		}
		if call.Flags&dbus.FlagNoReplyExpected != 0 {
			continue
		}
		var answer bytes.Buffer
		if err := s.answer(call).EncodeTo(&answer, binary.LittleEndian); err != nil {
			return err
		}
		// A connection of the library sets the serial itself.
		binary.LittleEndian.PutUint32(answer.Bytes()[8:], serial)
		if _, err := conn.Write(answer.Bytes()); err != nil {
			return err
		}
	}
}

// authenticate accepts a client that lets the socket say which user it is.
func authenticate(in *bufio.Reader, out io.Writer) error {
	if begin, err := in.ReadByte(); err != nil || begin != 0 {
		return fmt.Errorf("began with %#x, error %w", begin, err)
	}
	replies := map[string]string{
		"AUTH":          "REJECTED EXTERNAL",
		"AUTH EXTERNAL": "DATA",
		"DATA":          "OK " + strings.Repeat("0", 32),
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		line = strings.TrimSuffix(line, "\r\n")
		if line == "BEGIN" {
			return nil
		}
		reply, known := replies[line]
		if !known {
			reply = "ERROR"
		}
		if _, err := io.WriteString(out, reply+"\r\n"); err != nil {
			return err
		}
	}
}

// answer returns the reply of the bus, or of systemd on it, to a call.
func (s *fakeSystemd) answer(call *dbus.Message) *dbus.Message {
	answer := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(call.Serial()),
		dbus.FieldSender:      call.Headers[dbus.FieldDestination],
	}}
	var failure *dbus.Error
	field := func(name dbus.HeaderField) any { return call.Headers[name].Value() }
	switch called := fmt.Sprint(field(dbus.FieldDestination), field(dbus.FieldPath), ".", field(dbus.FieldMember)); called {
	case "org.freedesktop.DBus/org/freedesktop/DBus.Hello":
		answer.Body = []any{":1.1"}
	case "org.freedesktop.DBus/org/freedesktop/DBus.AddMatch":
	case "org.freedesktop.systemd1/org/freedesktop/systemd1.StartTransientUnit":
		var name, mode string
		var properties []property
		var auxiliaries []auxiliary
		if err := dbus.Store(call.Body, &name, &mode, &properties, &auxiliaries); err != nil {
			failure = dbus.MakeFailedError(err)
			break
		}
		var job dbus.ObjectPath
		job, failure = s.StartTransientUnit(name, mode, properties, auxiliaries)
		answer.Body = []any{job}
	default:
		failure = dbus.MakeFailedError(fmt.Errorf("no %s here", called))
	}
	if failure != nil {
		answer.Type, answer.Body = dbus.TypeError, failure.Body
		answer.Headers[dbus.FieldErrorName] = dbus.MakeVariant(failure.Name)
	}
	if len(answer.Body) > 0 {
		answer.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(answer.Body...))
	}
	return answer
}

// StartTransientUnit has the signature of systemd's method: ssa(sv)a(sa(sv)) → o.
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
