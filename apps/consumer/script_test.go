package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mystique-unicorn/sales-events/apps/internal/awstest"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"consumer": main}) }

// TestScripts runs the program as a process: exit codes, output, the answer to SIGTERM.
func TestScripts(t *testing.T) { testscript.Run(t, awstest.Params("testdata")) }
