package iam

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// glob is a pattern: characters, and the wildcards below.
type glob []rune

// The wildcards are not valid runes. The first two also match a colon.
const (
	anyRun rune = -1 - iota
	anyOne
	segmentRun
	segmentOne
)

// match reports whether the pattern matches the whole text. It follows all alternatives
// at once, so its time is at most the product of the lengths, whatever the wildcards.
func (g glob) match(text string) bool {
	g = g.collapsed()
	if g.least() > utf8.RuneCountInString(text) {
		return false
	}
	// states[i] means that g[:i] matches the text read so far.
	states, next := make([]bool, len(g)+1), make([]bool, len(g)+1)
	states[0] = true
	g.skipRuns(states)
	for _, r := range text {
		clear(next)
		for i, w := range g {
			switch {
			case !states[i] || !accepts(w, r):
			case isRun(w):
				next[i] = true
			default:
				next[i+1] = true
			}
		}
		g.skipRuns(next)
		states, next = next, states
	}
	return states[len(g)]
}

// skipRuns lets each run match nothing.
func (g glob) skipRuns(states []bool) {
	for i, w := range g {
		if states[i] && isRun(w) {
			states[i+1] = true
		}
	}
}

// collapsed merges equal runs that follow each other, so that least limits the pattern's
// length.
func (g glob) collapsed() glob {
	return slices.CompactFunc(slices.Clone(g), func(a, b rune) bool { return a == b && isRun(a) })
}

// least returns the smallest number of characters that can match.
func (g glob) least() int {
	n := 0
	for _, w := range g {
		if !isRun(w) {
			n++
		}
	}
	return n
}

func isRun(w rune) bool { return w == anyRun || w == segmentRun }

func accepts(w, r rune) bool {
	switch w {
	case anyRun, anyOne:
		return true
	case segmentRun, segmentOne:
		return r != ':'
	}
	return w == r
}

// literal returns the text of a pattern without wildcards.
func (g glob) literal() string { return string(g) }

// plain parses a pattern in which only * and ? are special.
func plain(pattern string) glob {
	g, _ := expand(pattern, true, nil)
	return g
}

// expand parses a string of a policy: * and ? if wildcards is set, and, if variables is
// not nil, the policy variables of "IAM policy elements: Variables and tags"
// (reference_policies_variables). It returns false if the request has no single value for
// a variable without default, or if a variable has no end. A variable's value is literal.
func expand(pattern string, wildcards bool, variables context) (glob, bool) {
	var g glob
	for pattern != "" {
		if variables != nil && strings.HasPrefix(pattern, "${") {
			name, rest, ok := strings.Cut(pattern[2:], "}")
			if !ok {
				return nil, false
			}
			value, ok := variables.variable(name)
			if !ok {
				return nil, false
			}
			g = append(g, []rune(value)...)
			pattern = rest
			continue
		}
		r, size := utf8.DecodeRuneInString(pattern)
		pattern = pattern[size:]
		switch {
		case wildcards && r == '*':
			r = anyRun
		case wildcards && r == '?':
			r = anyOne
		}
		g = append(g, r)
	}
	return g, true
}

// matchAction ignores case: "The prefix and the action name are case insensitive"
// (reference_policies_elements_action).
func matchAction(pattern, action string) bool {
	return plain(strings.ToLower(pattern)).match(strings.ToLower(action))
}

// MatchesAction reports whether an action of a policy, which may have wildcards,
// is or includes an action of a request.
func MatchesAction(pattern, action string) bool { return matchAction(pattern, action) }

// arnParts is the number of parts of an ARN; the last one may contain colons.
const arnParts = 6

// resource limits the wildcards of a pattern to those of a resource ARN. According to
// reference_policies_elements_resource a wildcard matches within its part, except a *
// at the end of a part. After the fifth colon, in the resource's name, a colon is an
// ordinary character.
func (g glob) resource() glob {
	narrowed := slices.Clone(g)
	colons := 0
	for i, w := range g {
		last := i+1 == len(g) || g[i+1] == ':'
		switch {
		case w == ':':
			colons++
		case colons >= arnParts-1:
			return narrowed
		case w == anyRun && !last:
			narrowed[i] = segmentRun
		case w == anyOne:
			narrowed[i] = segmentOne
		}
	}
	return narrowed
}

// completed adds the missing parts of an ARN in an identity policy: "AWS automatically
// completes the ARN by adding wildcard characters (*) to all missing fields"
// (reference-arns).
func completed(arn string) string {
	if !strings.HasPrefix(arn, "arn:") {
		return arn
	}
	return arn + strings.Repeat(":*", max(0, arnParts-1-strings.Count(arn, ":")))
}

// matchARN compares for ArnEquals and ArnLike: "Each of the six colon-delimited
// components of the ARN is checked separately"
// (reference_policies_elements_condition_operators). A lone * matches any ARN; a pattern
// with fewer parts matches none.
func (g glob) matchARN(arn string) bool {
	if slices.Equal(g, glob{anyRun}) {
		return strings.HasPrefix(arn, "arn:")
	}
	parts := strings.SplitN(arn, ":", arnParts)
	if len(parts) < arnParts {
		return false
	}
	for i, part := range parts {
		colon := slices.Index(g, ':')
		if i == arnParts-1 {
			return g.match(part)
		}
		if colon < 0 || !g[:colon].match(part) {
			return false
		}
		g = g[colon+1:]
	}
	return false
}
