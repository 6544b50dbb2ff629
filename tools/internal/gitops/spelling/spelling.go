// Package spelling guesses what a misspelt name was meant to be. It knows only
// names, not what they stand for.
package spelling

import (
	"regexp"

	"github.com/agnivade/levenshtein"
)

// Nearest returns the candidate that is closest to a name, the first of equals. It is
// empty if more than half of the name would have to change: that is no guess but another
// word.
func Nearest(name string, candidates []string) string {
	best, distance := "", len(name)/2+1
	for _, candidate := range candidates {
		if d := levenshtein.ComputeDistance(name, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// counted is by what the names of a series differ: a number, or a part of one or
// two letters.
var counted = regexp.MustCompile(`[-._]?(\d+|\b[a-z]{1,2}\b)`)

// Near returns the candidate of which a name is in all likelihood a misspelling, the
// first of equals; empty for none. Two letters are wrong at most, and not those by which
// a series counts: redis-1 is not meant to be redis-2, nor app-eu to be app-us.
func Near(name string, candidates []string) string {
	best, distance := "", 3
	for _, candidate := range candidates {
		d := levenshtein.ComputeDistance(name, candidate)
		if d < distance && 0 < d && 2*d < len(name) && counted.ReplaceAllString(name, "") != counted.ReplaceAllString(candidate, "") {
			best, distance = candidate, d
		}
	}
	return best
}
