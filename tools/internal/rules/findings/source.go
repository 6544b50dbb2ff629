package findings

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

const (
	// Limits against a hostile repository: what is read of a file, which lines are shown,
	// and how much of a line.
	sourceLimit  = 4 << 20
	lineLimit    = 64 << 10
	excerptWidth = 100
)

// source reads lines of files in a repository. It keeps the lines of one file, because
// findings are sorted by file.
type source struct {
	root  *os.Root
	file  string
	lines [][]byte
}

// openSource returns a source. It has no lines if the options do not ask for them, or if
// the root cannot be opened: excerpts are optional, so that is not an error.
func openSource(options Options) *source {
	if !options.Excerpts || options.Root == "" {
		return &source{}
	}
	root, err := os.OpenRoot(options.Root)
	if err != nil {
		return &source{}
	}
	return &source{root: root}
}

func (s *source) close() {
	if s.root != nil {
		_ = s.root.Close()
	}
}

// excerpt returns the part of a line around a column, and the column's position in it,
// counted from 1. The position is 0 if the column is unknown or not in the line.
func (s *source) excerpt(file string, line, column int) (text string, caret int, ok bool) {
	if s.root == nil || line < 1 {
		return "", 0, false
	}
	if s.file != file {
		s.file, s.lines = file, s.read(file)
	}
	if line > len(s.lines) || len(s.lines[line-1]) > lineLimit {
		return "", 0, false
	}
	text, caret = window([]rune(plain(string(s.lines[line-1]))), column)
	return text, caret, true
}

func (s *source) read(file string) [][]byte {
	data, err := s.readAll(file)
	if err != nil {
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	return bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
}

func (s *source) readAll(name string) ([]byte, error) {
	// Opening a pipe would block until there is a writer.
	info, err := s.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	file, err := s.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, sourceLimit))
}

// window shortens a long line to the part around a column, and marks the cuts.
func window(line []rune, column int) (string, int) {
	start := 0
	if len(line) > excerptWidth {
		start = max(0, min(column-excerptWidth/2, len(line)-excerptWidth))
	}
	end := min(start+excerptWidth, len(line))
	caret := 0
	if column >= 1 && column <= len(line) {
		caret = column - start
	}
	shown := line[start:end]
	if start > 0 {
		shown[0] = '…'
	}
	if end < len(line) {
		shown[len(shown)-1] = '…'
	}
	return string(shown), caret
}
