//go:build race

package faultsim

// defaultSeeds is smaller with the race detector, which is ten times slower.
const defaultSeeds, racing = 100, true
