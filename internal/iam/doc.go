// Package iam says what a set of AWS IAM policies allows, and why, without AWS: [Parse]
// reads a policy document, [Policies.Evaluate] decides a request, [Policy.Grants] lists
// what a policy grants, and [Policy.Trusts] explains who can assume a role by web
// identity.
//
// It follows these pages of the IAM User Guide
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/):
//
//   - reference_policies_grammar: what a document may contain;
//   - reference_policies_elements_principal, _notprincipal, _action, _resource
//     and _condition_operators: what an element matches;
//   - reference_policies_variables: what ${aws:username} stands for;
//   - reference_policies_condition-logic-multiple-context-keys-or-values and
//     reference_policies_condition-single-vs-multi-valued-context-keys: lists;
//   - reference_policies_evaluation-logic and access_policies_boundaries: how
//     policies combine.
//
// Where a page leaves a question open, a comment says which reading the code follows. As
// a rule it is the stricter one, because a validator must not promise access that AWS
// refuses.
//
// Out of scope are service and resource control policies, session policies and access
// control lists. It is not checked whether an action, a condition key or a resource
// exists: a misspelt action allows nothing, as on AWS.
//
// The package must not know where a document comes from: nothing of Kubernetes objects,
// Crossplane or YAML. It knows the form of a ServiceAccount's name in a web identity
// token, because trust policies compare it.
package iam
