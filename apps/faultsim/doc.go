// Package faultsim proves the workloads under faults: the real producer and consumers,
// through the AWS SDK, and the real local AWS, connected in memory, in a bubble of
// testing/synctest, where time costs nothing. All of it is tests; docs/faultsim.md says
// how to run them.
//
// A seed decides everything that goes wrong: what the servers answer, how long the
// network takes and what it loses, which processes are killed, which are asked to end,
// when the server's clock jumps. A run is judged by what is promised to users, and by
// wrong consumers, each of which some seed must catch.
//
// It writes no part of the system a second time, and must know nothing of how the
// worker does its work.
package faultsim
