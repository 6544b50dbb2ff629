// Package origin says which line of which file is behind a field of a built object:
// it has the files of a build with the positions of their YAML, its kustomization
// files with what each of them does, and finds the one that says a field last.
//
// It reads files and judges nothing; of a Kustomization of Flux it knows nothing.
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
