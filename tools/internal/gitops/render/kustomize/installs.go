package kustomize

import "regexp"

var (
	project = regexp.MustCompile(`(?i)github(?:usercontent)?\.com[/:][\w.-]+/([\w-]+)`)
	release = regexp.MustCompile(`(?:[?&]ref=|/download/|githubusercontent\.com/[\w.-]+/[\w.-]+/(?:refs/tags/)?)(v?\d+\.\d+[\w.-]*)`)
)

// Installs returns the GitHub project and the version in an address; empty where the
// address does not name them.
func Installs(entry string) (name, version string) {
	if match := project.FindStringSubmatch(entry); match != nil {
		name = match[1]
	}
	if match := release.FindStringSubmatch(entry); match != nil {
		version = match[1]
	}
	return name, version
}
