package findings

import (
	"strings"
	"unicode"
)

// plain turns a text, which may come from a manifest, into one line. White space becomes
// a space. What a terminal would interpret or hide, such as an escape sequence, a change
// of the writing direction or invalid UTF-8, becomes U+FFFD. Each character stays one
// character, so columns stay right.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsGraphic(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
