// Package spelling guesses what a misspelt name was meant to be. It knows only
// names, not what they stand for.
package spelling

import "github.com/agnivade/levenshtein"

// Nearest is the candidate that is closest to a name, the first of equals. It is
// empty if more than half of the name would have to change: that is no guess but
// another word.
func Nearest(name string, candidates []string) string {
	best, distance := "", len(name)/2+1
	for _, candidate := range candidates {
		if d := levenshtein.ComputeDistance(name, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}
