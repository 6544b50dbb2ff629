// Package tail gives the last lines of what a program printed, which say why it
// failed. It knows nothing of the program.
package tail

import (
	"os"
	"strings"
)

// Lines is the last n lines of a text, without the space around them.
func Lines(text []byte, n int) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// File is the last n lines of a file or, for it is part of a message that must be
// said anyhow, why there are none.
func File(path string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return Lines(text, n)
}
