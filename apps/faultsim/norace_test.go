//go:build !race

package faultsim

const defaultSeeds = 1000
