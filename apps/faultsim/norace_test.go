//go:build !race

package faultsim

const defaultSeeds, racing = 1000, false
