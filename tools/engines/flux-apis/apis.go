// Package apis names the Go types of the Flux controllers whose own modules the
// local cluster does not run. Their CustomResourceDefinitions are made from the
// types, by the program that makes the released ones.
package apis

import (
	_ "github.com/fluxcd/image-automation-controller/api/v1"
	_ "github.com/fluxcd/image-reflector-controller/api/v1"
	_ "github.com/fluxcd/notification-controller/api/v1"
	_ "github.com/fluxcd/notification-controller/api/v1beta3"
	_ "github.com/fluxcd/source-watcher/api/v2/v1beta1"
)
