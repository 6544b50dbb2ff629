package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// The paths on the node that the installer writes. The name of the cron entry has no dot,
// because cron ignores names with one.
const (
	stateDir   = "/var/lib/ssm-agent-installer"
	scriptFile = stateDir + "/install.sh"
	keyFile    = stateDir + "/signing-key.asc"
	cronFile   = "/etc/cron.d/ssm-agent-installer"
	unitName   = "ssm-agent-installer.service"
)

//go:embed install.sh
var script []byte

// installer installs and starts the agent on one node.
type installer struct {
	host         host
	key          []byte
	fingerprint  string
	region, arch string
	// timeout is how long to wait for the result, poll how often to look for it.
	timeout, poll time.Duration
	// systemd asks the systemd behind the bus at socket to run a command as a unit. An
	// existing unit is not an error.
	systemd func(ctx context.Context, socket, unit string, command []string) error
	log     *slog.Logger
}

// repair makes the attempt of this boot, unless it was made before, and waits until the
// agent runs. The error says why it does not.
func (i installer) repair(ctx context.Context, found agent) error {
	boot, err := i.host.bootID()
	if err != nil {
		return err
	}
	claimed, err := exists(i.host.path(claim(boot)))
	if err != nil {
		return err
	}
	if claimed {
		i.log.Info("this boot has had its attempt", "boot", boot)
	} else if err := i.schedule(ctx, boot, found); err != nil {
		return err
	}
	return i.wait(ctx, boot)
}

// claim returns the folder that the script creates for its boot.
func claim(boot string) string { return path.Join(stateDir, boot) }

func (i installer) schedule(ctx context.Context, boot string, found agent) error {
	command, err := i.command(boot, found)
	if err != nil {
		return err
	}
	if err := i.place(boot); err != nil {
		return err
	}
	cron, runs, err := i.host.process("crond", "cron")
	if err != nil {
		return err
	}
	if runs {
		i.log.Info("leaving the attempt to cron", "boot", boot, "cron", cron.path)
		return i.writeFile(cronFile, cronEntry(command), 0o644)
	}
	i.log.Info("leaving the attempt to systemd", "boot", boot, "unit", unitName)
	return i.systemd(ctx, i.host.path("/run/dbus/system_bus_socket"), unitName, command)
}

// command returns the script's command line, in the form that the script's usage
// describes. No argument has a space, or a percent sign, which cron would interpret.
func (i installer) command(boot string, found agent) ([]string, error) {
	command := []string{"/bin/bash", scriptFile, boot, found.unit()}
	if found.state == present {
		return command, nil
	}
	if lacks := i.host.lacks("bash", "curl", "gpg", "rpm", "systemctl"); len(lacks) > 0 {
		return nil, fmt.Errorf(
			"this node cannot install the agent's RPM package, it has no %s: use an image that ships the agent, such as Amazon Linux 2023",
			strings.Join(lacks, ", "),
		)
	}
	url, err := packageURL(i.region, i.arch)
	if err != nil {
		return nil, err
	}
	return append(command, url, i.fingerprint), nil
}

// packageURL returns the URL at which AWS publishes the agent for a region; the signature
// is beside it:
// https://docs.aws.amazon.com/systems-manager/latest/userguide/verify-agent-signature.html
func packageURL(region, arch string) (string, error) {
	if arch != "amd64" && arch != "arm64" {
		return "", fmt.Errorf("AWS has no RPM package of the agent for %s: keep this pod to nodes of amd64 or arm64", arch)
	}
	domain := "amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		domain += ".cn"
	}
	return fmt.Sprintf("https://s3.%s.%s/amazon-ssm-%s/latest/linux_%s/amazon-ssm-agent.rpm", region, domain, region, arch), nil
}

// place writes the script and the key to the node, and removes what other boots left. It
// keeps this boot's files, because a script that an earlier pod started may have claimed
// the boot.
func (i installer) place(boot string) error {
	dir := i.host.path(stateDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read the installer's folder: %w: mount the node's %s, writable", err, stateDir)
	}
	for _, entry := range entries {
		if entry.Name() == boot {
			continue
		}
		if err := os.RemoveAll(path.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("remove what another boot left: %w", err)
		}
	}
	if err := i.writeFile(scriptFile, script, 0o700); err != nil {
		return err
	}
	return i.writeFile(keyFile, i.key, 0o600)
}

// writeFile writes a file on the node as a whole, or not at all.
func (i installer) writeFile(name string, content []byte, perm fs.FileMode) error {
	file := i.host.path(name)
	if err := renameio.WriteFile(file, content, perm, renameio.WithTempDir(path.Dir(file)), renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("write %s on the node: %w: mount its folder, writable by user 0", name, err)
	}
	return nil
}

// cronEntry returns a cron entry that is due within a minute, and is removed before the
// script starts.
func cronEntry(command []string) []byte {
	return fmt.Appendf(nil, "* * * * * root rm -f %s && exec %s\n", cronFile, strings.Join(command, " "))
}

// wait returns when the agent runs, the script reports a failure, or time is up.
func (i installer) wait(ctx context.Context, boot string) error {
	ctx, cancel := context.WithTimeout(ctx, i.timeout)
	defer cancel()
	ticker := time.NewTicker(i.poll)
	defer ticker.Stop()
	for {
		found, err := i.host.agent()
		if err != nil {
			return err
		}
		if found.state == running {
			i.log.Info("the agent runs now", "path", found.path, "pid", found.pid)
			return nil
		}
		if err := i.failure(boot); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf(
				"the agent did not come to run within %s: look at the node's journal for %s or cron; the next boot is tried again",
				i.timeout,
				unitName,
			)
		case <-ticker.C:
		}
	}
}

// failure returns the reason that the script left; empty if it has not failed.
func (i installer) failure(boot string) error {
	text, err := os.ReadFile(i.host.path(path.Join(claim(boot), "result")))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the result of this boot's attempt: %w", err)
	}
	reason, failed := strings.CutPrefix(strings.TrimSpace(string(text)), "failed: ")
	if !failed {
		return nil
	}
	return fmt.Errorf("this boot's attempt failed to %s: the node's journal says more; the next boot is tried again", reason)
}

func exists(name string) (bool, error) {
	_, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
