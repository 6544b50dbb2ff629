// Package faultsim tests the workloads under faults: the real producer and consumers,
// with the AWS SDK, and the real local AWS. They are connected in memory, in a bubble of
// testing/synctest, where time passes at once. The package has only tests;
// docs/faultsim.md says how to run them.
//
// A seed decides everything that goes wrong: the servers' errors, the network's delays
// and losses, which processes are killed, which are asked to end, and when the server's
// clock jumps. A run must keep the promises to users. Wrong consumers must break them
// with some seed.
//
// It does not reimplement any part of the system, and must not know how the worker works.
package faultsim
