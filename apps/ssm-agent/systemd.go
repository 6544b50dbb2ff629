package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// startTransient asks the systemd behind the bus at socket to run a command, and does not
// wait for its end. An existing unit is one that was asked for before.
func startTransient(ctx context.Context, socket, unit string, command []string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	conn, err := systemd.NewConnection(func() (*dbus.Conn, error) {
		// Authenticate by number, because this image has no user database.
		user := dbus.AuthExternal(strconv.Itoa(os.Getuid()))
		return dbus.Connect("unix:path="+dbus.EscapeBusAddressValue(socket), dbus.WithContext(ctx), dbus.WithAuth(user))
	})
	if err != nil {
		return fmt.Errorf("reach the node's system bus: %w: mount the node's /run/dbus", err)
	}
	defer conn.Close()
	_, err = conn.StartTransientUnitContext(ctx, unit, "fail", []systemd.Property{
		systemd.PropDescription("Install and start the SSM agent"),
		systemd.PropType("oneshot"),
		systemd.PropExecStart(command, false),
	}, nil)
	var refusal dbus.Error
	if errors.As(err, &refusal) && refusal.Name == "org.freedesktop.systemd1.UnitExists" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("have systemd start %s: %w: the pod's user must be 0", unit, err)
	}
	return nil
}
