//go:build race

package faultsim

// defaultSeeds are fewer with the race detector, which takes ten times as long.
const defaultSeeds, racing = 100, true
