//go:build !race

package jsonscan

const raced = false
