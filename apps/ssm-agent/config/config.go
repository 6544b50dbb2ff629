// Package config defines the settings of apps/ssm-agent: its environment variables, their
// defaults and ranges. It must not know the node or the agent.
package config

import (
	"log/slog"
	"regexp"
	"time"

	"github.com/mystique-unicorn/sales-events/internal/settings"
)

// Mode says what the program may do to its node.
type Mode string

// The modes: Check inspects and reports, Install also installs and starts the agent.
const (
	Check   Mode = "check"
	Install Mode = "install"
)

// Config is the program's settings.
type Config struct {
	// Mode is MODE. Settings that only Install needs are read only in that mode.
	Mode Mode
	// HostRoot is HOST_ROOT, the folder at which the node's folders are mounted.
	HostRoot string
	// Region is AWS_REGION, the region of the bucket that has the package.
	Region string
	// KeyFile is SIGNING_KEY_FILE, the armored public key of the package's signer;
	// Fingerprint is SIGNING_KEY_FINGERPRINT, the key's fingerprint.
	KeyFile, Fingerprint string
	// Timeout is INSTALL_TIMEOUT, after which an attempt without a result
	// counts as failed.
	Timeout time.Duration
	// Address is HTTP_ADDR, for health and metrics.
	Address  string
	LogLevel slog.Level
}

var (
	mode = settings.Format{
		Pattern: regexp.MustCompile(`^(check|install)$`),
		Rule:    "check or install",
	}
	file = settings.Format{
		Pattern: regexp.MustCompile(`^/`),
		Rule:    "an absolute path",
	}
	fingerprint = settings.Format{
		Pattern: regexp.MustCompile(`^[0-9A-F]{40}$`),
		Rule:    "40 digits and letters from A to F, without spaces",
	}
)

// Parse reads the settings. The error joins every bad variable, each with its
// value and range.
func Parse(lookup func(string) (string, bool)) (Config, error) {
	r := settings.NewReader(lookup)
	c := Config{
		Mode:     Mode(r.Text("MODE", string(Check), mode)),
		HostRoot: r.Text("HOST_ROOT", "/host", file),
		Address:  r.Address("HTTP_ADDR", ":8080"),
		LogLevel: r.Level("LOG_LEVEL"),
	}
	if c.Mode == Install {
		c.Region = r.Required("AWS_REGION", "the AWS region of the node", settings.Region)
		c.KeyFile = r.Text("SIGNING_KEY_FILE", "/etc/ssm-agent/amazon-ssm-agent.asc", file)
		c.Fingerprint = r.Required("SIGNING_KEY_FINGERPRINT", "the key in SIGNING_KEY_FILE", fingerprint)
		c.Timeout = time.Duration(r.Int("INSTALL_TIMEOUT", 600, 1, 3600)) * time.Second
	}
	return c, r.Err()
}
