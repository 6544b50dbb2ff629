// Package spelling guesses what a misspelt name was meant to be. It must not know what
// the names stand for.
package spelling

import (
	"regexp"

	"github.com/agnivade/levenshtein"
)

// Nearest returns the candidate that is closest to a name, the first of several. It is
// empty if more than half of the name would have to change: that would be another word.
func Nearest(name string, candidates []string) string {
	best, distance := "", len(name)/2+1
	for _, candidate := range candidates {
		if d := levenshtein.ComputeDistance(name, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// counted matches the part in which the names of a series differ: a number, or a part of
// one or two letters.
var counted = regexp.MustCompile(`[-._]?(\d+|\b[a-z]{1,2}\b)`)

// Near returns the candidate that a name very likely misspells, the first of several;
// empty for none. At most two letters may differ, and not those that number a series:
// redis-1 does not mean redis-2, nor app-eu app-us.
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
