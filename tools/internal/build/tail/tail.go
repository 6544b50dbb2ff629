// Package tail returns the last lines of a program's output, which say why it failed. It
// must not know the program.
package tail

import (
	"os"
	"strings"
)

// Lines returns the last n lines of a text, without surrounding white space.
func Lines(text []byte, n int) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// File returns the last n lines of a file. If it cannot be read, it returns the reason as
// text, because the result is part of a message.
func File(path string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return Lines(text, n)
}
