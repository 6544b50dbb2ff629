package iam

import (
	"regexp"
	"strings"
)

// reach is how closely a policy names the principal of a request. It decides whether the
// principal's own policies still count.
type reach int

// A policy that names the account leaves the decision to the account's own policies. One
// that names a role is limited by the role's boundary.
const (
	notNamed reach = iota
	namesAccount
	namesRole
	namesPrincipal
)

// covers returns how closely the statement's Principal or NotPrincipal names the
// principal of a request; namesPrincipal if it has neither.
func (s *Statement) covers(p Principal) reach {
	switch {
	case len(s.Principals.Values) == 0:
		return namesPrincipal
	case s.Principals.Not && s.Principals.excepts(p, s.Effect):
		return notNamed
	case s.Principals.Not:
		return namesPrincipal
	}
	closest := notNamed
	for _, v := range s.Principals.Values {
		closest = max(closest, v.names(p))
	}
	return closest
}

// excepts reports whether NotPrincipal excepts the principal. "AWS might
// validate the account first, then the role, and then the assumed-role user"
// (reference_policies_elements_notprincipal): so a Deny spares a principal only if
// each of these is named, and an Allow excepts one if any is named.
func (l Principals) excepts(p Principal, effect Effect) bool {
	var named [namesPrincipal + 1]bool
	for _, v := range l.Values {
		if v.ID == "*" && v.names(p) != notNamed {
			return true
		}
		named[v.names(p)] = true
	}
	if effect == Allow {
		return named[namesAccount] || named[namesRole] || named[namesPrincipal]
	}
	for _, level := range parsePrincipal(p).levels() {
		if !named[level] {
			return false
		}
	}
	return true
}

// names returns how closely a policy's principal names a request's.
func (p Principal) names(request Principal) reach {
	switch {
	case p.Kind == Everyone:
		return namesPrincipal
	case p.Kind == AWS && p.ID == "*" && request == Principal{}:
		return namesPrincipal
	case p.Kind != request.Kind:
		return notNamed
	case p.ID == "*":
		return namesPrincipal
	case p.Kind != AWS:
		return exactly(p.ID == request.ID)
	}
	listed, sender := parsePrincipal(p), parsePrincipal(request)
	switch {
	case listed.account == "" || listed.account != sender.account:
		return exactly(p.ID == request.ID)
	case listed.root:
		if sender.root {
			return namesPrincipal
		}
		return namesAccount
	case listed.role != "" && !listed.session && listed.role == sender.role:
		return namesRole
	}
	return exactly(p.ID == request.ID)
}

func exactly(same bool) reach {
	if same {
		return namesPrincipal
	}
	return notNamed
}

// identity is an AWS principal in its parts.
type identity struct {
	partition string
	account   string
	// root is true for the account itself.
	root bool
	// role is the role's name without its path, because a session's ARN has none.
	role    string
	session bool
}

// levels returns all ways to name the principal.
func (i identity) levels() []reach {
	var levels []reach
	if i.account != "" && !i.root {
		levels = append(levels, namesAccount)
	}
	if i.role != "" {
		levels = append(levels, namesRole)
	}
	if i.role == "" || i.session {
		levels = append(levels, namesPrincipal)
	}
	return levels
}

// arn returns the principal's ARN; for a session the role's, as in aws:PrincipalArn.
func (i identity) arn(p Principal) string {
	if i.session {
		return "arn:" + i.partition + ":iam::" + i.account + ":role/" + i.role
	}
	return p.ID
}

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

func parsePrincipal(p Principal) identity {
	if p.Kind != AWS {
		return identity{}
	}
	if accountID.MatchString(p.ID) {
		return identity{account: p.ID, root: true}
	}
	parts := strings.SplitN(p.ID, ":", arnParts)
	if len(parts) < arnParts {
		return identity{}
	}
	id := identity{partition: parts[1], account: parts[4], root: parts[5] == "root"}
	path := strings.Split(parts[5], "/")
	switch {
	case path[0] == "role":
		id.role = path[len(path)-1]
	case path[0] == "assumed-role" && len(path) > 1:
		id.role, id.session = path[1], true
	}
	return id
}
