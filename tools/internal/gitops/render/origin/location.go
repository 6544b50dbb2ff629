// Package origin finds the line behind a field of a built object. It has the files of a
// build with the positions of their YAML, and the kustomization files with the effect of
// each, and finds the one that sets a field last.
//
// It reads files and does not judge them. It must not know Flux's Kustomization.
package origin

import "strconv"

// Location is a place in a file. Line and Column count from 1; zero means
// that only the file is known.
type Location struct {
	File         string
	Line, Column int
}

func (l Location) String() string {
	if l.Line == 0 {
		return l.File
	}
	return l.File + ":" + strconv.Itoa(l.Line)
}
