package rules

import (
	"fmt"

	"github.com/agnivade/levenshtein"
)

// didYouMean is the mend of a name that does not exist: the nearest one that
// does, or the general advice.
func didYouMean(name string, candidates []string, otherwise string) string {
	best, distance := "", len(name)/2+1
	for _, candidate := range candidates {
		if d := levenshtein.ComputeDistance(name, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	if best == "" {
		return otherwise
	}
	return fmt.Sprintf("did you mean %s?", best)
}
