package findings

import (
	"strings"
	"unicode"
)

// plain makes one line of a text that may come from a manifest: white space
// becomes a space, and what a terminal would obey or hide, such as an escape
// sequence, a change of the direction of writing or broken UTF-8, becomes
// U+FFFD. Each character stays one character, so columns keep their meaning.
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
